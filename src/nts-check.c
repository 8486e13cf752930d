// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See nts-check.h. One step after the other: the name, keys from the first address that lets us in, the name
 * of who answers NTP, some requests. What is learned goes into the report at once, so that the report is
 * complete up to where it ends, whichever way. The trust and the dates are those of a source, by the clock of
 * this machine: no tolerance, since somebody is there to read what is wrong. */

#include "nts-check.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "core/ntp/client.h"
#include "hw/kernel-clock.h"
#include "net/exchange.h"
#include "net/stream.h"
#include "nts/ke-client.h"

/* For all of it, and for the keys, s. */
#define TIME      40.0
#define KEYS_TIME 16.0
/* Requests for the time, and how long each waits for its answer, s. */
#define REQUESTS  4
#define PATIENCE  1.0

typedef enum Step { STEP_NAME = 0, STEP_KEYS, STEP_NTP_NAME, STEP_NTP, STEP_END } Step;

struct NtsCheck {
    sd_event *event;
    NtsCheckDone done;
    void *userdata;
    NetConfig net;
    SourceConfig source;
    IpFamily family;
    PortSharing *sharing;
    Aead aead;
    Step step;
    NtsCheckReport report;
    sd_event_source *begin, *end, *limit, *timer;

    Resolver *resolver;
    LookupAnswer found; /* the server, whose addresses are tried one after the other */
    size_t next_address;
    TrustSet *trust;
    const KeyEstablisher *owner; /* of the trusted certificates */
    KeClient *keys;
    Stream *stream;
    NtsEstablishment establishment;

    NtsClient *nts;
    Exchanges *exchanges;
    Client client;
    SourceStats *stats;
    uint64_t requests;
};

/* Not from within the part that has just called us: who is told may free the check. */
static void finish(NtsCheck *check)
{
    check->step = STEP_END;
    (void) sd_event_source_set_enabled(check->end, SD_EVENT_ONESHOT);
}

static int on_finished(unused_ sd_event_source *source, void *userdata)
{
    NtsCheck *check = userdata;

    check->done(check->userdata, &check->report);
    return 0;
}

static void fail(NtsCheck *check, NtsFailure failure)
{
    check->report.failure = failure;
    finish(check);
}

static int on_limit(unused_ sd_event_source *source, unused_ uint64_t usec, void *userdata)
{
    NtsCheck *check = userdata;

    if (check->step <= STEP_KEYS)
        fail(check, NTS_TIMEOUT);
    else
        finish(check);
    return 0;
}

static void fill_random(void *buffer, size_t size)
{
    if (getrandom(buffer, size, 0) != (ssize_t) size) /* never for less than 256 bytes */
        abort();
}

/* --- NTP --------------------------------------------------------------------------------------------- */

/* The kernel's clock is taken as it is: nothing here is steered by the outcome. */
static LocalTime local_of(RawTime raw)
{
    return (LocalTime) {raw.ns};
}

static void send_request(NtsCheck *check)
{
    uint8_t bytes[CLIENT_REQUEST_MAX];
    const IpEndpoint any = {0};
    ClientRequest request = {
        .config = &check->source,
        .exchange = {++check->requests},
        .poll = 6,
        .nts = check->nts,
        .aead = &check->aead,
    };

    fill_random(&request.secret, sizeof(request.secret));
    fill_random(&request.receive_secret, sizeof(request.receive_secret));
    fill_random(request.nts_random, sizeof(request.nts_random));
    size_t length = client_request(&check->client, &request, bytes);
    if (length > 0)
        exchanges_send(check->exchanges, request.exchange, &check->report.ntp, &any, bytes, length);
}

static int on_timer(unused_ sd_event_source *source, unused_ uint64_t usec, void *userdata)
{
    NtsCheck *check = userdata;

    if (check->step == STEP_END)
        return 0;
    exchanges_close(check->exchanges, (ExchangeId) {check->requests});
    if (check->requests == REQUESTS) {
        finish(check);
        return 0;
    }
    send_request(check);
    int r = sd_event_source_set_time_relative(check->timer, (uint64_t) (PATIENCE * 1e6));
    return r < 0 ? r : sd_event_source_set_enabled(check->timer, SD_EVENT_ONESHOT);
}

static void on_sent(void *userdata, ExchangeId exchange, Timestamp sent, IpAddress local)
{
    NtsCheck *check = userdata;

    (void) client_on_sent(&check->client, exchange, local_of(sent.time), sent.origin, local);
}

static void on_failed(void *userdata, ExchangeId exchange, int error)
{
    (void) userdata, (void) exchange, (void) error; /* the timer asks again */
}

static void on_packet(void *userdata, const Incoming *packet)
{
    NtsCheck *check = userdata;
    const ClientContext context = {
        .config = &check->source,
        .stats = check->stats,
        .nts = check->nts,
        .aead = &check->aead,
        .remote = check->report.ntp,
        .precision = kernel_clock_precision(),
        .pivot_ns = kernel_clock_now().raw.ns,
    };
    const ClientInput input = {
        .exchange = packet->exchange,
        .remote = packet->remote,
        .local = packet->local,
        .received = local_of(packet->received.time),
        .received_origin = packet->received.origin,
        .bytes = packet->bytes,
        .length = packet->length,
    };
    ClientResult result;

    if (check->step == STEP_END)
        return;
    client_on_packet(&check->client, &context, &input, &result);
    check->report.answered = true;
    check->report.verdict = result.verdict;
    if (result.verdict != PACKET_GOOD)
        return;
    check->report.stratum = result.sample.stratum;
    check->report.offset = (double) (result.sample.truth.ns - result.sample.time.ns) * 1e-9;
    check->report.delay = result.sample.peer_delay;
    finish(check);
}

static const ExchangeHandlers exchange_handlers = {
    .on_packet = on_packet,
    .on_sent = on_sent,
    .on_failed = on_failed,
};

static int begin_ntp(NtsCheck *check, const IpAddress *address)
{
    const SourceStatsConfig stats = {.min_samples = 1,
                                     .max_samples = 1,
                                     .precision = kernel_clock_precision()};
    const ExchangesSetup exchanges = {
        .event = check->event,
        .family = check->family,
        .sharing = check->sharing,
        .handlers = &exchange_handlers,
        .userdata = check,
    };
    uint16_t port = check->establishment.port;
    int r = nts_client_new(&check->nts);

    if (r >= 0)
        r = source_stats_new(&stats, &check->stats);
    if (r >= 0)
        r = exchanges_new(&exchanges, &check->net, &check->exchanges);
    if (r >= 0)
        r = sd_event_add_time_relative(check->event, &check->timer, CLOCK_MONOTONIC, 0, 1, on_timer, check);
    if (r < 0)
        return r;
    nts_client_load(check->nts, &check->establishment.keys, check->establishment.cookies,
                    check->establishment.cookie_count);
    client_reset(&check->client);
    check->report.ntp = (IpEndpoint) {.address = *address, .port = port != 0 ? port : check->source.port};
    check->step = STEP_NTP;
    return 0; /* the timer sends the first request */
}

/* --- Keys -------------------------------------------------------------------------------------------- */

static void on_resolved(void *userdata, uint64_t id, const LookupAnswer *answer);

static void look_up(NtsCheck *check, IpFamily family, const char *name)
{
    resolver_ask_host(check->resolver, name, family, on_resolved, check, 0);
}

static void on_established(NtsCheck *check)
{
    const NtsEstablishment *establishment = &check->establishment;

    check->report.aead = establishment->keys.aead;
    check->report.key_bits = establishment->keys.length * 8U;
    check->report.cookies = (uint32_t) establishment->cookie_count;
    check->report.cookie_length = establishment->cookies[0].length;
    check->step = STEP_NTP_NAME;
    if (establishment->server[0] != '\0')
        look_up(check, check->family, establishment->server);
    else if (begin_ntp(check, &check->report.server.address) < 0)
        fail(check, NTS_LOCAL);
}

static void look_at_keys(NtsCheck *check)
{
    TrustCertificate chain[TRUST_CHAIN_MAX];
    size_t count = ke_client_chain(check->keys, chain);

    check->report.certificate_count = 0;
    for (size_t i = 0; i < count && i < NTS_CERTIFICATES_MAX; i++)
        if (trust_certificate_read(chain[i], &check->report.certificates[check->report.certificate_count]))
            check->report.certificate_count++;
    ke_client_describe(check->keys, check->report.protocol, sizeof(check->report.protocol));
    check->establishment = *ke_client_result(check->keys);
    check->report.failure = check->establishment.failure;
}

/* The connection goes first, so that nothing more comes of it. */
static void on_keys_done(NtsCheck *check)
{
    look_at_keys(check);
    check->stream = stream_free(check->stream);
    if (check->report.failure == NTS_OK)
        on_established(check);
    else
        finish(check);
}

static void write_output(NtsCheck *check)
{
    const uint8_t *bytes;
    size_t length;

    while ((length = ke_client_output(check->keys, &bytes)) > 0) {
        size_t sent = stream_write(check->stream, bytes, length);
        if (sent == 0)
            break;
        ke_client_on_sent(check->keys, sent);
    }
    if (ke_client_is_done(check->keys))
        on_keys_done(check);
}

static void on_bytes(void *userdata, const uint8_t *bytes, size_t length)
{
    NtsCheck *check = userdata;

    ke_client_on_bytes(check->keys, bytes, length);
    write_output(check);
}

static void on_written(void *userdata)
{
    write_output(userdata);
}

static void try_next_address(NtsCheck *check);

/* An address that nobody can reach need not be the only one. */
static void on_end(void *userdata, int error)
{
    NtsCheck *check = userdata;

    if (error == 0) {
        ke_client_on_closed(check->keys);
        on_keys_done(check);
        return;
    }
    check->report.failure = key_establisher_failure(error);
    check->stream = stream_free(check->stream);
    check->keys = ke_client_free(check->keys);
    if (check->next_address < check->found.count)
        try_next_address(check);
    else
        finish(check);
}

static const StreamHandlers stream_handlers = {
    .on_bytes = on_bytes,
    .on_written = on_written,
    .on_end = on_end,
};

static int begin_keys(NtsCheck *check)
{
    const StreamSetup stream = {.remote = check->report.server, .net = &check->net, .seconds = KEYS_TIME};
    KeClientSetup setup = {
        .trust = check->trust,
        .question = {.name = check->source.name, .now_s = kernel_clock_now().raw.ns / NSEC_PER_SEC},
    };
    static const NtsAead aeads[] = {NTS_AEAD_AES_128_GCM_SIV, NTS_AEAD_AES_SIV_CMAC_256};

    for (size_t i = 0; i < ELEMENTS(aeads); i++)
        if (check->aead.nonce_length(check->aead.userdata, aeads[i]) > 0)
            setup.aeads[setup.aead_count++] = aeads[i];
    int r = ke_client_new(&setup, &check->keys);
    if (r < 0 || ke_client_is_done(check->keys))
        return r < 0 ? r : -ENOKEY; /* nobody is trusted */
    return stream_new(check->event, &stream, &stream_handlers, check, &check->stream);
}

static void try_next_address(NtsCheck *check)
{
    check->step = STEP_KEYS;
    check->report.server = (IpEndpoint) {
        .address = check->found.places[check->next_address++].endpoint.address,
        .port = check->source.nts_port,
    };
    if (begin_keys(check) < 0)
        fail(check, NTS_LOCAL);
}

/* --- Names ------------------------------------------------------------------------------------------- */

static void on_resolved(void *userdata, unused_ uint64_t ticket, const LookupAnswer *answer)
{
    NtsCheck *check = userdata;

    if (check->step == STEP_END)
        return;
    if (check->step == STEP_NTP_NAME) {
        if (answer->count == 0)
            finish(check);
        else if (begin_ntp(check, &answer->places[0].endpoint.address) < 0)
            fail(check, NTS_LOCAL);
        return;
    }
    if (answer->count == 0) {
        fail(check, NTS_UNREACHABLE);
        return;
    }
    check->found = *answer;
    try_next_address(check);
}

static int on_begin(unused_ sd_event_source *source, void *userdata)
{
    NtsCheck *check = userdata;

    look_up(check, check->source.family, check->source.name);
    return 0;
}

/* --- Coming and going -------------------------------------------------------------------------------- */

static int add_sources(NtsCheck *check)
{
    int r = sd_event_add_defer(check->event, &check->begin, on_begin, check);

    if (r >= 0)
        r = sd_event_add_defer(check->event, &check->end, on_finished, check);
    if (r >= 0)
        r = sd_event_source_set_enabled(check->end, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_time_relative(check->event, &check->limit, CLOCK_MONOTONIC, (uint64_t) (TIME * 1e6),
                                       1, on_limit, check);
    return r;
}

int nts_check_new(const NtsCheckSetup *setup, const SourceConfig *source, NtsCheckDone done, void *userdata,
                  NtsCheck **ret)
{
    cleanup_(nts_check_freep) NtsCheck *check = calloc(1, sizeof *check);

    if (!check)
        return -ENOMEM;
    *check = (NtsCheck) {
        .event = sd_event_ref(setup->event),
        .done = done,
        .userdata = userdata,
        .net = setup->config->net,
        .source = *source,
        .family = setup->family,
        .sharing = setup->sharing,
        .resolver = setup->resolver,
        .aead = setup->aead,
    };
    check->owner = setup->keys;
    int r = key_establisher_open_trust(setup->keys, source->cert_set, &check->trust);
    if (r >= 0)
        r = add_sources(check);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(check);
    return 0;
}

NtsCheck *nts_check_free(NtsCheck *check)
{
    if (!check)
        return NULL;
    sd_event_source_disable_unref(check->begin);
    sd_event_source_disable_unref(check->end);
    sd_event_source_disable_unref(check->limit);
    sd_event_source_disable_unref(check->timer);
    exchanges_free(check->exchanges);
    stream_free(check->stream);
    ke_client_free(check->keys);
    resolver_forget(check->resolver, check);
    nts_client_free(check->nts);
    source_stats_free(check->stats);
    trust_set_unref(check->trust);
    key_establisher_tidy_up(check->owner);
    sd_event_unref(check->event);
    explicit_bzero(check, sizeof *check);
    free(check);
    return NULL;
}
