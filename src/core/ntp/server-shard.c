// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* What a request has to pass, in this order: form, access, limit, MAC or NTS; see server-shard.h. The
 * cheapest comes first, and a client is not noted before it is allowed. */

#include "core/ntp/server-shard.h"

#include <assert.h>
#include <errno.h>
#include <math.h>

/* A transmit timestamp that comes so much after the answer is of something else. */
#define SENT_LATE_MAX NSEC_PER_SEC

/* Bytes of the count of random words: as many as make one block, and more than will ever be drawn. */
#define DRAWN_SIZE 7

struct ServerShard {
    const AccessTable *access; /* borrowed; NULL: nobody may ask */
    RateLimitConfig limit;
    Authenticator authenticator;
    NtsServer nts;
    ClientLog *log; /* owned; NULL: none */
    size_t log_limit;
    uint64_t log_dropped; /* by logs that were there before */
    SipKey log_key;
    SipKey key;         /* of the random bits */
    uint64_t drawn;     /* random words so far */
    uint64_t noise;     /* what is left of one for timestamps */
    uint8_t noise_left; /* bits of that in each half */
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
    shard->nts = setup->nts;
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
    return siphash_short(&shard->key, shard->drawn++, DRAWN_SIZE);
}

/* Random bits for the timestamps of one answer, at the low end of both halves of the result. A fine clock
 * needs few of them, and a word does for several answers. */
static uint64_t draw_noise(ServerShard *shard, uint8_t bits)
{
    if (shard->noise_left < bits) {
        shard->noise = draw(shard);
        shard->noise_left = 32;
    }
    uint64_t noise = shard->noise;
    shard->noise >>= bits;
    shard->noise_left = (uint8_t) (shard->noise_left - bits);
    return noise;
}

/* A request on its way. */
typedef struct Case {
    const ServerRequest *request;
    ServerQuestion question;
    ClientRecord *record; /* as the log knows the client; NULL: there is no log */
    RateVerdict rate;
    NtsRequest nts;
    /* Only of a request that is longer than a header: */
    uint32_t key;             /* that it was signed with; 0: it has no MAC */
    NtsQuestion nts_question; /* valid unless nts is NTS_REQUEST_BROKEN */
} Case;

/* Looks whether this client is answered now. */
static void check_rate(ServerShard *shard, Case *asked, MonoTime mono)
{
    asked->record = NULL;
    asked->rate = RATE_PASS;
    if (!shard->log)
        return;
    asked->record = client_log_hit(shard->log, &asked->request->remote.address, mono);
    if (shard->limit.enabled) {
        asked->rate = rate_limit_check(&shard->limit, &asked->record->rate, mono, (uint32_t) draw(shard));
        if (asked->rate > RATE_LEAK && client_log_hurries(asked->record))
            asked->rate = RATE_LEAK;
    }
    client_log_answered(asked->record, asked->rate <= RATE_LEAK);
}

/* Form, access, limit. */
static ServerVerdict admit(ServerShard *shard, Case *asked, MonoTime mono)
{
    ServerVerdict verdict = server_check(asked->request, &asked->question);

    if (verdict != SERVER_ANSWERED)
        return verdict;
    if (!shard->access || !access_table_allows(shard->access, &asked->request->remote.address))
        return SERVER_DENIED;
    check_rate(shard, asked, mono);
    shard->report.received++;
    if (asked->rate > RATE_LEAK)
        shard->report.dropped++;
    /* A kiss is not worth Samba's signature. */
    bool silent = asked->rate == RATE_DROP || (asked->question.for_samba && asked->rate == RATE_KISS);
    return silent ? SERVER_LIMITED : SERVER_ANSWERED;
}

/* Whether the request is signed with one of our keys. Any will do: who may ask is the business of access, and
 * the key says only that the answer is ours. */
static bool check_mac(const ServerShard *shard, Case *asked)
{
    const ServerRequest *request = asked->request;

    return authenticator_check(&shard->authenticator, request->bytes, request->length,
                               &asked->question.packet, &asked->key) == MAC_GOOD;
}

/* False: it is not what it pretends to be, and is not told. */
static bool check_proof(const ServerShard *shard, Case *asked)
{
    if (!asked->question.has_tail)
        return true;
    asked->key = 0;
    asked->nts =
        nts_server_open(&shard->nts, asked->request->bytes, &asked->question.packet, &asked->nts_question);
    return asked->nts != NTS_REQUEST_BROKEN && (!asked->question.has_mac || check_mac(shard, asked));
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
static void finish_answer(ServerShard *shard, const ServerBatch *batch, const Case *asked,
                          uint8_t answer[static SERVER_ANSWER_SIZE])
{
    ClientRecord *record = asked->record;
    TimestampOrigin origin = TIMESTAMP_DAEMON;

    if (record) {
        uint8_t epoch = epoch_of(shard, &batch->snapshot);
        if (server_interleave(record, &asked->question, epoch, answer, &shard->wants_sent, &origin))
            shard->report.interleaved++;
        if (shard->wants_sent)
            shard->sent = (ServerSent) {
                .record = client_log_number(shard->log, record),
                .receive = server_interleave_newest(record),
                .at = batch->now,
            };
    }
    shard->report.receive_stamps[asked->request->origin]++;
    shard->report.transmit_stamps[origin]++;
}

/* What kind of answer it gets. */
static ServerVerdict choose_answer(ServerShard *shard, const ServerBatch *batch, const Case *asked,
                                   uint8_t answer[static SERVER_ANSWER_SIZE])
{
    if (asked->nts == NTS_REQUEST_REFUSED) {
        server_kiss(answer, NTP_KISS_NTS_NAK);
        return SERVER_NTS_NAK;
    }
    if (asked->rate == RATE_KISS) {
        server_kiss(answer, NTP_KISS_RATE);
        return SERVER_KISSED;
    }
    finish_answer(shard, batch, asked, answer);
    return asked->question.for_samba ? SERVER_MS_SNTP : SERVER_ANSWERED;
}

/* Writes the extension field that was asked for; a kiss has nothing to say in it. Returns the length so far.
 */
static size_t append_mono_root(const ServerBatch *batch, const Case *asked, ServerVerdict verdict,
                               uint8_t answer[static SERVER_ANSWER_MAX])
{
    if (verdict != SERVER_ANSWERED || !asked->question.wants_mono_root)
        return SERVER_ANSWER_SIZE;
    server_append_mono_root(batch, answer);
    return SERVER_ANSWER_SIZE + MONO_ROOT_SIZE;
}

/* Seals or signs an answer of that length as its request was. Returns the length of it all, 0: the key was
 * taken away meanwhile. */
static size_t prove_answer(ServerShard *shard, const Case *asked, uint8_t ret[static SERVER_ANSWER_MAX],
                           size_t length)
{
    size_t size = MIN(asked->request->length, (size_t) SERVER_ANSWER_MAX);

    if (!asked->question.has_tail)
        return length;
    length = nts_server_append_id(&asked->nts_question, ret, length, size);
    if (asked->nts == NTS_REQUEST_GOOD) {
        const uint64_t nonce[] = {draw(shard), draw(shard)};
        static_assert(sizeof(nonce) == AEAD_NONCE_MAX, "a nonce");
        length = nts_server_append_proof(&shard->nts, &asked->nts_question, (const uint8_t *) nonce, ret,
                                         length, size);
    } else if (asked->key != 0) {
        length = authenticator_append(&shard->authenticator, asked->key, asked->question.version, ret, length,
                                      size);
    } else {
        return length;
    }
    shard->report.authenticated += length > 0;
    return length;
}

static ServerVerdict answer(ServerShard *shard, const ServerBatch *batch, Case *asked, MonoTime mono,
                            uint8_t ret[static SERVER_ANSWER_MAX], size_t *ret_length)
{
    ServerVerdict verdict = admit(shard, asked, mono);

    if (verdict != SERVER_ANSWERED)
        return verdict;
    if (!check_proof(shard, asked))
        return SERVER_UNAUTHENTICATED;
    verdict =
        server_answer(batch, asked->request, &asked->question, draw_noise(shard, batch->fuzz_bits), ret);
    if (verdict != SERVER_ANSWERED)
        return verdict;
    verdict = choose_answer(shard, batch, asked, ret);
    size_t length = append_mono_root(batch, asked, verdict, ret);
    length = prove_answer(shard, asked, ret, length);
    if (length == 0) {
        shard->wants_sent = false;
        return SERVER_UNAUTHENTICATED;
    }
    *ret_length = length;
    return verdict;
}

ServerVerdict server_shard_on_request(ServerShard *shard, const ServerBatch *batch,
                                      const ServerRequest *request, MonoTime mono,
                                      uint8_t ret[static SERVER_ANSWER_MAX], size_t *ret_length)
{
    Case asked; /* is filled in as far as the request gets */

    asked.request = request;
    asked.nts = NTS_REQUEST_NONE;
    shard->wants_sent = false;
    ServerVerdict verdict = answer(shard, batch, &asked, mono, ret, ret_length);
    if (asked.nts != NTS_REQUEST_NONE)
        nts_question_clear(&asked.nts_question);
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
