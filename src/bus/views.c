// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* From the units of core to those of the bus, and nothing else. */

#include "bus/views.h"

#include <math.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "base/text.h"
#include "core/api/bus-names.h"
#include "core/api/explain.h"

static double ppm(double frequency)
{
    return frequency * 1e6;
}

/* log2 s to s. */
static double seconds(int8_t exponent)
{
    return exp2(exponent);
}

static uint64_t usec(CookedTime time)
{
    return time.ns > 0 ? (uint64_t) (time.ns / NSEC_PER_USEC) : 0; /* TIME_UNSET is negative */
}

bool source_path(const char *name, char ret[static SOURCE_PATH_MAX])
{
    cleanup_(freep) char *path = NULL;

    return sd_bus_path_encode(BUS_SOURCE_PREFIX, name, &path) >= 0 && text_copy(ret, SOURCE_PATH_MAX, path);
}

void manager_view(const Service *service, ManagerView *ret)
{
    ServiceInfo info;
    ActivityReport activity;

    service->methods->info(service->userdata, &info);
    service->methods->activity(service->userdata, &activity);
    *ret = (ManagerView) {
        .bus = ret->bus,
        .version = info.version,
        .features = info.features,
        .configuration_files = info.configuration_files,
        .start_usec = info.start_usec,
        .online = activity.online,
        .offline = activity.offline,
        .burst_online = activity.burst_online,
        .burst_offline = activity.burst_offline,
        .unresolved = activity.unresolved,
    };
}

void clock_view(const Service *service, ClockView *ret)
{
    ClockReport clock;
    ActivityReport activity;

    service->methods->clock(service->userdata, &clock);
    service->methods->activity(service->userdata, &activity);
    *ret = (ClockView) {
        .bus = ret->bus,
        .synchronized = clock.synchronized,
        .may_set_clock = clock.may_set_clock,
        .state = clock_reason_name(clock.reason),
        .leap = leap_status_name(clock.leap),
        .stratum = clock.stratum,
        .reference_id = clock.reference_id,
        .combined_sources = clock.source_count,
        .step_count = clock.step_count,
        .reference_usec = usec(clock.reference_time),
        .system_offset = clock.system_offset,
        .last_offset = clock.last_offset,
        .rms_offset = clock.rms_offset,
        .frequency = ppm(clock.frequency),
        .residual_frequency = ppm(clock.residual_frequency),
        .skew = ppm(clock.skew),
        .root_delay = clock.root_delay,
        .root_dispersion = clock.root_dispersion,
        .max_error = clock.max_error,
        .update_interval = clock.update_interval,
    };
    Text sentence = TEXT(ret->unsynchronized_reason);
    explain_clock(&clock, &activity, &sentence);
    text_copy(ret->reference_name, sizeof(ret->reference_name), clock.reference_name);
    ip_address_format(&clock.reference_address, ret->reference_address);

    SourceReport source;
    if (clock.reference_source.value == 0 ||
        !service->methods->source(service->userdata, clock.reference_source, &source) ||
        !source_path(source.name, ret->reference_source))
        text_copy(ret->reference_source, sizeof(ret->reference_source), "/");
}

bool source_view(const Service *service, SourceId id, SourceView *ret)
{
    SourceReport source;
    Explanation explanation;

    if (!service->methods->source(service->userdata, id, &source))
        return false;
    *ret = (SourceView) {
        .bus = ret->bus,
        .id = id,
        .kind = source_kind_name(source.kind),
        .state = source_state_name(source.state),
        .origin = source_origin_name(source.origin),
        .port = source.remote.port,
        .online = source.online,
        .offline_reason = offline_reason_name(source.offline_reason),
        .resolving = source.resolving,
        .reference_id = source.reference_id,
        .reachability = source.reachability,
        .stratum = source.stratum,
        .samples = source.samples,
        .runs = source.runs,
        .last_receive_usec = usec(source.last_receive),
        .poll_interval = seconds(source.poll),
        .sample_age = source.since_sample,
        .offset = source.offset,
        .measured_offset = source.measured_offset,
        .offset_error = source.offset_error,
        .span = source.span,
        .residual_frequency = ppm(source.residual_frequency),
        .skew = ppm(source.skew),
        .estimated_offset = source.estimated_offset,
        .estimated_offset_error = source.estimated_offset_error,
        .standard_deviation = source.standard_deviation,
    };
    text_copy(ret->origin_name, sizeof(ret->origin_name), source.origin_name);
    text_copy(ret->name, sizeof(ret->name), source.name);
    ip_address_format(&source.remote.address, ret->address);
    Text sentence = TEXT(ret->state_reason);
    if (service->methods->explain(service->userdata, id, &explanation))
        explain_source(&explanation, &sentence);
    return true;
}

/* Of RFC 5905, figure 10. */
static const char *mode_name(uint8_t mode)
{
    static const char *const names[] = {"",       "symmetric-active", "symmetric-passive",
                                        "client", "server",           "broadcast"};

    return mode < ELEMENTS(names) ? names[mode] : "";
}

bool ntp_view(const Service *service, SourceId id, NtpView *ret)
{
    NtpReport ntp;

    if (!service->methods->ntp(service->userdata, id, &ntp))
        return false;
    *ret = (NtpView) {
        .bus = ret->bus,
        .remote_port = ntp.remote.port,
        .valid = ntp.valid,
        .interleaved = ntp.interleaved,
        .authenticated = ntp.authenticated,
        .leap = leap_status_name(ntp.leap),
        .mode = mode_name(ntp.mode),
        .last_verdict = packet_verdict_name(ntp.last_verdict),
        .transmit_timestamping = timestamp_origin_name(ntp.transmit_origin),
        .receive_timestamping = timestamp_origin_name(ntp.receive_origin),
        .version = ntp.version,
        .stratum = ntp.stratum,
        .reference_id = ntp.reference_id,
        .tests = ntp.tests,
        .reference_usec = usec(ntp.reference_time),
        .poll_interval = ntp.valid ? seconds(ntp.poll) : 0,
        .precision = ntp.valid ? seconds(ntp.precision) : 0,
        .root_delay = ntp.root_delay,
        .root_dispersion = ntp.root_dispersion,
        .offset = ntp.offset,
        .peer_delay = ntp.peer_delay,
        .peer_dispersion = ntp.peer_dispersion,
        .response_time = ntp.response_time,
        .jitter_asymmetry = ntp.jitter_asymmetry,
        .sent = ntp.sent,
        .received = ntp.received,
        .valid_received = ntp.valid_received,
        .good_received = ntp.good_received,
        .kernel_sent = ntp.kernel_sent,
        .kernel_received = ntp.kernel_received,
        .hardware_sent = ntp.hardware_sent,
        .hardware_received = ntp.hardware_received,
    };
    ip_address_format(&ntp.remote.address, ret->remote_address);
    ip_address_format(&ntp.local, ret->local_address);
    memcpy(ret->verdicts, ntp.verdicts, sizeof(ret->verdicts));
    return true;
}

void server_view(const Service *service, ServerView *ret)
{
    ServerView view = {.bus = ret->bus};

    service->methods->server(service->userdata, &view.report);
    view.listening = view.report.listening;
    view.logs_clients = view.report.logs_clients;
    service->methods->key_server(service->userdata, &view.keys);
    view.keys_state = key_server_state_name(view.keys.state);
    view.certificate_end_usec = usec(view.keys.certificate_end);
    *ret = view;
}

void local_view(const Service *service, LocalView *ret)
{
    LocalReport local;

    service->methods->local(service->userdata, &local);
    *ret = (LocalView) {
        .bus = ret->bus,
        .enabled = local.config.enabled,
        .active = local.active,
        .stratum = (uint32_t) local.config.stratum,
        .distance = local.config.distance,
        .activate = local.config.activate,
        .wait_synced = local.config.wait_synced,
        .wait_unsynced = local.config.wait_unsynced,
        .orphan = local.config.orphan,
    };
}

bool selection_view(const Service *service, SourceId id, SelectionView *ret)
{
    SelectionReport selection;

    if (!service->methods->selection(service->userdata, id, &selection))
        return false;
    *ret = (SelectionView) {
        .bus = ret->bus,
        .state = source_state_name(selection.state),
        .leap = leap_status_name(selection.leap),
        .authenticated = selection.authenticated,
        .configured = selection.configured,
        .effective = selection.effective,
        .sample_age = selection.since_sample,
        .score = selection.score,
        .low_limit = selection.low_limit,
        .high_limit = selection.high_limit,
        .root_distance = selection.root_distance,
    };
    return true;
}

/* 0: before 1970, or unknown. */
static uint64_t usec_of_seconds(int64_t seconds)
{
    return seconds > 0 ? (uint64_t) seconds * UINT64_C(1000000) : 0;
}

bool authentication_view(const Service *service, SourceId id, AuthenticationView *ret)
{
    AuthenticationReport authentication;

    if (!service->methods->authentication(service->userdata, id, &authentication))
        return false;
    bool nts = authentication.mode == AUTHENTICATION_NTS;
    *ret = (AuthenticationView) {
        .bus = ret->bus,
        .mode = authentication_mode_name(authentication.mode),
        .key_type = nts ? nts_aead_name(authentication.aead) : key_type_name(authentication.info.type),
        .key_available = authentication.has_key,
        .key = authentication.key,
        .key_length = nts ? authentication.aead_bits : authentication.info.bits,
        .aead = authentication.aead,
        .key_age = authentication.since_establishment,
        .attempts = authentication.attempts,
        .naks = authentication.naks,
        .cookies = authentication.cookies,
        .cookie_length = authentication.cookie_length,
        .failure = nts_failure_name(authentication.failure),
        .failure_text = nts_failure_text(authentication.failure),
        .unproven = authentication.unproven,
        .valid_from = usec_of_seconds(authentication.validity.from),
        .valid_until = usec_of_seconds(authentication.validity.to),
    };
    return true;
}
