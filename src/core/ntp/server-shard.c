// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* What a request has to pass, in this order: form, access, limit, MAC; see server-shard.h. The cheapest comes
 * first, and a client is not noted before it is allowed. */

#include "core/ntp/server-shard.h"

#include <errno.h>
#include <math.h>

/* A transmit timestamp that comes so much after the answer is of something else. */
#define SENT_LATE_MAX NSEC_PER_SEC

struct ServerShard {
    const AccessTable *access; /* borrowed; NULL: nobody may ask */
    RateLimitConfig limit;
    Authenticator authenticator;
    ClientLog *log; /* owned; NULL: none */
    size_t log_limit;
    uint64_t log_dropped; /* by logs that were there before */
    SipKey log_key;
    SipKey key;         /* of the random bits */
    uint64_t drawn;     /* random words so far */
    int64_t valid_from; /* of the last snapshot */
    uint8_t epoch;      /* another one after each step of the clock */
    bool wants_sent;    /* of the last answer: */
    ServerSent sent;
    ServerReport report;
};

int server_shard_new(const ServerShardSetup *setup, ServerShard **ret)
{
    cleanup_(server_shard_freep) ServerShard *shard = calloc(1, sizeof(*shard));

    if (!shard)
        return -ENOMEM;
    shard->authenticator = setup->authenticator;
    shard->log_key = siphash_key(setup->secret);
    shard->key = siphash_key(setup->secret + SIPHASH_KEY_SIZE);
    int r = server_shard_configure(shard, &setup->limit, setup->log_limit);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(shard);
    return 0;
}

int server_shard_configure(ServerShard *shard, const RateLimitConfig *limit, size_t log_limit)
{
    ClientLog *log = NULL;

    if (log_limit != shard->log_limit) {
        int r = log_limit > 0 ? client_log_new(log_limit, &shard->log_key, &log) : 0;
        if (r < 0)
            return r;
        if (shard->log)
            shard->log_dropped += client_log_dropped(shard->log) + client_log_count(shard->log);
        client_log_free(shard->log);
        shard->log = log;
        shard->log_limit = log_limit;
    }
    shard->limit = *limit;
    return 0;
}

ServerShard *server_shard_free(ServerShard *shard)
{
    if (!shard)
        return NULL;
    client_log_free(shard->log);
    free(shard);
    return NULL;
}

void server_shard_set_access(ServerShard *shard, const AccessTable *access)
{
    shard->access = access;
}

int8_t server_shard_min_poll(const ServerShard *shard)
{
    return shard->limit.enabled && shard->log ? (int8_t) shard->limit.interval : INT8_MIN;
}

static uint64_t draw(ServerShard *shard)
{
    return siphash_word(&shard->key, shard->drawn++);
}

/* Whether this client is answered now. *ret_record: as the log knows it; NULL: there is no log. */
static RateVerdict check_rate(ServerShard *shard, const IpAddress *address, MonoTime mono,
                              ClientRecord **ret_record)
{
    ClientRecord *record;
    RateVerdict verdict = RATE_PASS;

    *ret_record = NULL;
    if (!shard->log)
        return RATE_PASS;
    *ret_record = record = client_log_hit(shard->log, address, mono);
    if (shard->limit.enabled) {
        verdict = rate_limit_check(&shard->limit, &record->rate, mono, (uint32_t) draw(shard));
        if (verdict > RATE_LEAK && client_log_hurries(record))
            verdict = RATE_LEAK;
    }
    client_log_answered(record, verdict <= RATE_LEAK);
    return verdict;
}

/* What was stamped before a step is on another scale. */
static uint8_t epoch_of(ServerShard *shard, const ServerSnapshot *snapshot)
{
    if (shard->valid_from != snapshot->valid_from) {
        shard->valid_from = snapshot->valid_from;
        shard->epoch++;
    }
    return shard->epoch;
}

/* The answer is a good one; makes it interleaved when it can be, and counts it. */
static void finish_answer(ServerShard *shard, const ServerBatch *batch, const ServerRequest *request,
                          const ServerQuestion *question, ClientRecord *record,
                          uint8_t answer[static SERVER_ANSWER_SIZE])
{
    TimestampOrigin origin = TIMESTAMP_DAEMON;

    if (record) {
        uint8_t epoch = epoch_of(shard, &batch->snapshot);
        if (server_interleave(record, question, epoch, answer, &shard->wants_sent, &origin))
            shard->report.interleaved++;
        if (shard->wants_sent)
            shard->sent = (ServerSent) {
                .record = client_log_number(shard->log, record),
                .receive = server_interleave_newest(record),
                .at = request->transmit,
            };
    }
    shard->report.receive_stamps[request->origin]++;
    shard->report.transmit_stamps[origin]++;
}

/* The key that a request was signed with; 0: its MAC is not right. Any of our keys will do: who may ask is
 * the business of access, and the key says only that the answer is ours. */
static uint32_t check_mac(const ServerShard *shard, const ServerRequest *request)
{
    NtpPacket packet;
    uint32_t key;

    if (!ntp_packet_parse(request->bytes, request->length, &packet) ||
        authenticator_check(&shard->authenticator, request->bytes, request->length, &packet, &key) !=
            MAC_GOOD)
        return 0;
    return key;
}

/* Signs an answer with the key of its request. False: the key was taken away meanwhile. */
static bool sign_answer(ServerShard *shard, uint32_t key, uint8_t version,
                        uint8_t ret[static SERVER_ANSWER_MAX], size_t *length)
{
    size_t signed_length =
        authenticator_append(&shard->authenticator, key, version, ret, *length, SERVER_ANSWER_MAX);

    if (signed_length == 0)
        return false;
    *length = signed_length;
    shard->report.authenticated++;
    return true;
}

static ServerVerdict answer(ServerShard *shard, const ServerBatch *batch, const ServerRequest *request,
                            MonoTime mono, uint8_t ret[static SERVER_ANSWER_MAX], size_t *ret_length)
{
    ServerQuestion question;
    ClientRecord *record;
    uint32_t key = 0;
    ServerVerdict verdict = server_check(request, &question);

    if (verdict != SERVER_ANSWERED)
        return verdict;
    if (!shard->access || !access_table_allows(shard->access, &request->remote.address))
        return SERVER_DENIED;

    RateVerdict rate = check_rate(shard, &request->remote.address, mono, &record);
    shard->report.received++;
    if (rate > RATE_LEAK)
        shard->report.dropped++;
    if (rate == RATE_DROP)
        return SERVER_LIMITED;
    if (question.for_samba && rate == RATE_KISS)
        return SERVER_LIMITED; /* a kiss is not worth a signature */
    if (question.has_mac && (key = check_mac(shard, request)) == 0)
        return SERVER_UNAUTHENTICATED;
    verdict = server_answer(batch, request, &question, draw(shard), ret);
    if (verdict != SERVER_ANSWERED)
        return verdict;
    if (rate == RATE_KISS) {
        server_kiss(ret);
        verdict = SERVER_KISSED;
    } else {
        finish_answer(shard, batch, request, &question, record, ret);
    }
    *ret_length = SERVER_ANSWER_SIZE;
    if (key != 0 && !sign_answer(shard, key, question.version, ret, ret_length)) {
        shard->wants_sent = false;
        return SERVER_UNAUTHENTICATED;
    }
    return question.for_samba ? SERVER_MS_SNTP : verdict;
}

ServerVerdict server_shard_on_request(ServerShard *shard, const ServerBatch *batch,
                                      const ServerRequest *request, MonoTime mono,
                                      uint8_t ret[static SERVER_ANSWER_MAX], size_t *ret_length)
{
    shard->wants_sent = false;
    ServerVerdict verdict = answer(shard, batch, request, mono, ret, ret_length);
    shard->report.verdicts[verdict]++;
    return verdict;
}

bool server_shard_wants_sent(const ServerShard *shard, ServerSent *ret)
{
    if (shard->wants_sent)
        *ret = shard->sent;
    return shard->wants_sent;
}

void server_shard_on_sent(ServerShard *shard, const ServerSnapshot *snapshot, const ServerSent *sent,
                          RawTime when, TimestampOrigin origin)
{
    ClientRecord *record = shard->log ? client_log_record(shard->log, sent->record) : NULL;

    /* A record that is another client's by now does not have this timestamp. */
    if (record && record->epoch == epoch_of(shard, snapshot) && when.ns >= sent->at.ns &&
        when.ns - sent->at.ns < SENT_LATE_MAX)
        server_interleave_on_sent(record, sent->receive, server_time(snapshot, when), origin);
}

void server_shard_on_send_failed(ServerShard *shard)
{
    shard->report.failed++;
}

void server_shard_report(const ServerShard *shard, ServerReport *report)
{
    server_report_add(report, &shard->report);
    report->log_dropped += shard->log_dropped;
    if (shard->log) {
        report->log_dropped += client_log_dropped(shard->log);
        report->clients += client_log_count(shard->log);
    }
}

bool server_shard_report_exchanges(const ServerShard *shard, size_t first, size_t count, MonoTime now,
                                   ServerReport *report)
{
    size_t size = shard->log ? client_log_size(shard->log) : 0;
    double oldest;

    if (first >= size)
        return false;
    report->exchanges += client_log_exchanges(shard->log, first, MIN(count, size - first), now, &oldest);
    report->exchanges_span = fmax(report->exchanges_span, oldest);
    return count < size - first;
}

ClientLog *server_shard_log(ServerShard *shard)
{
    return shard->log;
}
