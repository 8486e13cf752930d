// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* What a request has to pass, in this order: form, access, limit; see server-shard.h. The cheapest comes
 * first, and a client is not noted before it is allowed. */

#include "core/ntp/server-shard.h"

#include <errno.h>

struct ServerShard {
    const AccessTable *access; /* borrowed; NULL: nobody may ask */
    RateLimitConfig limit;
    ClientLog *log; /* owned; NULL: none */
    size_t log_limit;
    uint64_t log_dropped; /* by logs that were there before */
    SipKey log_key;
    SipKey key;     /* of the random bits */
    uint64_t drawn; /* random words so far */
    ServerReport report;
};

int server_shard_new(const ServerShardSetup *setup, ServerShard **ret)
{
    cleanup_(server_shard_freep) ServerShard *shard = calloc(1, sizeof(*shard));

    if (!shard)
        return -ENOMEM;
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

/* Whether this client is answered now. */
static RateVerdict check_rate(ServerShard *shard, const IpAddress *address, MonoTime mono)
{
    ClientRecord *record;
    RateVerdict verdict = RATE_PASS;

    if (!shard->log)
        return RATE_PASS;
    record = client_log_hit(shard->log, address, mono);
    if (shard->limit.enabled) {
        verdict = rate_limit_check(&shard->limit, &record->rate, mono, (uint32_t) draw(shard));
        if (verdict > RATE_LEAK && client_log_hurries(record))
            verdict = RATE_LEAK;
    }
    client_log_answered(record, verdict <= RATE_LEAK);
    return verdict;
}

static ServerVerdict answer(ServerShard *shard, const ServerBatch *batch, const ServerRequest *request,
                            MonoTime mono, uint8_t ret[static SERVER_ANSWER_SIZE])
{
    ServerQuestion question;
    ServerVerdict verdict = server_check(request, &question);

    if (verdict != SERVER_ANSWERED)
        return verdict;
    if (!shard->access || !access_table_allows(shard->access, &request->remote.address))
        return SERVER_DENIED;

    RateVerdict rate = check_rate(shard, &request->remote.address, mono);
    shard->report.received++;
    if (rate > RATE_LEAK)
        shard->report.dropped++;
    if (rate == RATE_DROP)
        return SERVER_LIMITED;
    verdict = server_answer(batch, request, &question, draw(shard), ret);
    if (verdict != SERVER_ANSWERED || rate != RATE_KISS)
        return verdict;
    server_kiss(ret);
    return SERVER_KISSED;
}

ServerVerdict server_shard_on_request(ServerShard *shard, const ServerBatch *batch,
                                      const ServerRequest *request, MonoTime mono,
                                      uint8_t ret[static SERVER_ANSWER_SIZE])
{
    ServerVerdict verdict = answer(shard, batch, request, mono, ret);

    shard->report.verdicts[verdict]++;
    if (verdict == SERVER_ANSWERED) {
        shard->report.receive_stamps[request->origin]++;
        shard->report.transmit_stamps[TIMESTAMP_DAEMON]++;
    }
    return verdict;
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

ClientLog *server_shard_log(ServerShard *shard)
{
    return shard->log;
}
