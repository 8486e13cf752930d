// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The reports in the types and units of the bus, one struct for each interface: what the properties are read
 * from, and what two moments are compared by. Values: copyable, with nothing behind them. Frequencies are ppm
 * here, booleans int as sd-bus wants them, instants us since 1970 (0: none). */

#include "core/api/service.h"

typedef struct Bus Bus;

/* Longest object path of a source with terminator: each byte of a name may become three. */
#define SOURCE_PATH_MAX (3 * SOURCE_NAME_MAX + 32)

/* Longest sentence of core/api/explain.h with terminator. */
#define SENTENCE_MAX 512

typedef struct ManagerView {
    Bus *bus;
    const char *version;
    const char *const *features;
    const char *const *configuration_files;
    uint64_t start_usec;
    uint32_t online, offline, burst_online, burst_offline, unresolved;
} ManagerView;

typedef struct ClockView {
    Bus *bus;
    int synchronized, may_set_clock;
    const char *state, *leap;
    char unsynchronized_reason[SENTENCE_MAX];
    uint32_t stratum, reference_id, combined_sources, step_count;
    char reference_name[SOURCE_NAME_MAX];
    char reference_address[IP_ADDRESS_TEXT_MAX];
    char reference_source[SOURCE_PATH_MAX];
    uint64_t reference_usec;
    double system_offset, last_offset, rms_offset;
    double frequency, residual_frequency, skew;
    double root_delay, root_dispersion, max_error, update_interval;
} ClockView;

typedef struct ManualView {
    Bus *bus;
    int enabled;
    ManualReport report; /* what Entries is read from */
} ManualView;

typedef struct SourcesView {
    Bus *bus;
    uint32_t count, reachable, combined;
} SourcesView;

typedef struct SourceView {
    Bus *bus;
    SourceId id;
    const char *kind, *state, *origin;
    char name[SOURCE_NAME_MAX];
    char origin_name[ORIGIN_NAME_MAX];
    char address[IP_ADDRESS_TEXT_MAX];
    char state_reason[SENTENCE_MAX];
    uint16_t port;
    const char *offline_reason;
    int online, resolving;
    uint32_t reference_id, reachability, stratum, samples, runs;
    uint64_t last_receive_usec;
    double poll_interval, sample_age, offset, measured_offset, offset_error;
    double span, residual_frequency, skew;
    double estimated_offset, estimated_offset_error, standard_deviation;
} SourceView;

typedef struct NtpView {
    Bus *bus;
    char remote_address[IP_ADDRESS_TEXT_MAX], local_address[IP_ADDRESS_TEXT_MAX];
    uint16_t remote_port;
    int valid, interleaved, authenticated;
    const char *leap, *mode, *last_verdict, *transmit_timestamping, *receive_timestamping;
    uint32_t version, stratum, reference_id, tests;
    uint64_t reference_usec;
    double poll_interval, precision, root_delay, root_dispersion;
    double offset, peer_delay, peer_dispersion, response_time, jitter_asymmetry;
    uint32_t sent, received, valid_received, good_received;
    uint32_t kernel_sent, kernel_received, hardware_sent, hardware_received;
    uint32_t verdicts[PACKET_VERDICT_COUNT];
} NtpView;

typedef struct SelectionView {
    Bus *bus;
    const char *state, *leap;
    int authenticated;
    SelectOptions configured, effective;
    double sample_age, score, low_limit, high_limit, root_distance;
} SelectionView;

typedef struct AuthenticationView {
    Bus *bus;
    const char *mode, *key_type, *failure, *failure_text;
    int key_available, unproven;
    uint32_t key, key_length, aead, attempts, naks, cookies, cookie_length;
    double key_age;
    uint64_t valid_from, valid_until;
} AuthenticationView;

typedef struct ServerView {
    Bus *bus;
    int listening, logs_clients;
    ServerReport report;
    KeyServerReport keys;
    const char *keys_state;
    uint64_t certificate_end_usec;
} ServerView;

typedef struct LocalView {
    Bus *bus;
    int enabled, active;
    uint32_t stratum;
    double distance, activate, wait_synced, wait_unsynced;
    int orphan;
} LocalView;

void server_view(const Service *service, ServerView *ret);
void local_view(const Service *service, LocalView *ret);
void manager_view(const Service *service, ManagerView *ret);
void clock_view(const Service *service, ClockView *ret);

/* Return false when there is no such source, or when it is of another kind (NTP). */
bool source_view(const Service *service, SourceId id, SourceView *ret);
bool ntp_view(const Service *service, SourceId id, NtpView *ret);
bool selection_view(const Service *service, SourceId id, SelectionView *ret);
bool authentication_view(const Service *service, SourceId id, AuthenticationView *ret);

/* The object path of a source of that name; false when it would be too long. */
bool source_path(const char *name, char ret[static SOURCE_PATH_MAX]);
