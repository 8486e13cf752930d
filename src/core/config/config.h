// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The configuration as one value: what the files and the command line said, with every default filled in.
 * Made by the parser, compared by config_diff(), given to the engine; nothing asks the parser later. Units
 * are those of the engine (seconds, dimensionless frequencies), not those of the file (ppm). */

#include "core/api/report.h"
#include "core/config/nts-config.h"
#include "core/config/nts-server-config.h"

/* Absent, for the integers of a source that fall back to a directive; only inside the parser. */
#define CONFIG_UNSET INT32_MIN

/* Least samples that the regression wants, and most that are kept, unless minsamples and maxsamples say
 * otherwise. */
#define SOURCE_MIN_SAMPLES 6
#define SOURCE_MAX_SAMPLES 64

/* SourceConfig.asymmetry: to be estimated. */
#define SOURCE_ASYMMETRY_UNKNOWN 1.0

/* The directory for .sources files that scripts of others write with the servers of DHCP. Whoever names it in
 * a sourcedir wants those servers. */
#define CONFIG_OFFERS_DIRECTORY "/run/chrony-dhcp"

/* One server, pool or peer line. */
typedef struct SourceConfig {
    SourceKind kind;            /* SOURCE_SERVER, SOURCE_POOL or SOURCE_PEER */
    char name[SOURCE_NAME_MAX]; /* host name or address */
    uint16_t port;              /* 123 */
    IpFamily family;            /* of its addresses; IP_UNSPEC: any */
    int32_t minpoll, maxpoll;   /* log2 s, -7..24; 6, 10; maxpoll >= minpoll */
    bool iburst, burst;
    bool offline, auto_offline;
    SelectOptions select;
    double max_delay;           /* s, 0..1000; 3.0 */
    double max_delay_ratio;     /* 0: off */
    double max_delay_dev_ratio; /* 10.0 */
    double max_delay_quantile;  /* 0: off; 0.05..0.95 */
    double min_delay;           /* s, shortest round trip of the path; 0: as measured */
    double asymmetry;           /* of the jitter, -0.5..0.5; negative: the way to the source varies more */
    double offset;              /* s, added to what is measured */
    int32_t min_samples, max_samples; /* 1..64; resolved from the directives */
    int32_t max_unreach;              /* polls; 100000 */
    int32_t filter;                   /* samples into one, 0: off */
    int32_t poll_target;              /* samples; 8 */
    int32_t min_stratum;              /* 0..15 */
    int32_t max_sources;              /* of a pool, 1..16; 4 */
    uint32_t key;                     /* its identifier; 0: no authentication */
    bool nts;                         /* Network Time Security; not of a peer, where it is off */
    uint16_t nts_port;                /* of its key establishment server; 4460 */
    uint32_t cert_set;                /* of trusted certificates; 0 */
    int32_t version;                  /* of NTP, 1..4; 0: the one that suits the key */
    int32_t presend;                  /* from this poll on a request is preceded by others, log2 s; 100 */
    bool copy;                        /* its reference ID and stratum are taken over */
    bool xleave;                      /* interleaved mode */
    bool mono_root;                   /* extension field F323 */
    char origin[ORIGIN_NAME_MAX]; /* base name of the .sources file that it came from; "": the configuration
                                     itself */
} SourceConfig;

/* What authentication counts in selection: authselectmode. */
typedef enum AuthSelectMode {
    AUTH_SELECT_REQUIRE = 0, /* nothing else is selected */
    AUTH_SELECT_PREFER,      /* the same, as soon as there is one with authentication */
    AUTH_SELECT_MIX,         /* sources with authentication are to confirm the others */
    AUTH_SELECT_IGNORE,
} AuthSelectMode;

typedef struct SelectionConfig {
    double combine_limit;             /* 3 */
    double max_distance;              /* s; 3.0 */
    double max_jitter;                /* s; 1.0 */
    double reselect_distance;         /* s; 1e-4 */
    double stratum_weight;            /* s; 1e-3 */
    int32_t min_stratum, max_stratum; /* 0, 15 */
    int32_t min_sources;              /* 1 */
    int32_t orphan_stratum;           /* of the local reference, as it is at the moment; 0: none */
    AuthSelectMode auth_mode;         /* mix */
} SelectionConfig;

typedef struct ClockConfig {
    double precision;          /* s; 0: measure it */
    double corr_time_ratio;    /* 3.0 */
    double max_clock_error;    /* dimensionless; 1e-6 */
    double max_drift;          /* dimensionless; 0.1 */
    double max_update_skew;    /* dimensionless; 1e-3 */
    double max_slew_rate;      /* dimensionless; 0.0833 */
    double step_threshold;     /* s, makestep; negative: always */
    int32_t step_limit;        /* updates; 0: off, negative: no limit */
    double max_change_offset;  /* s, maxchange; 0: off */
    int32_t max_change_start;  /* updates before it counts */
    int32_t max_change_ignore; /* offsets to ignore before the daemon ends; negative: never ends */
    double log_change;         /* s; 1.0 */
    bool manual;               /* the time may be entered by hand */
    bool rtc_sync;             /* clear STA_UNSYNC when synchronised */
} ClockConfig;

typedef struct NetConfig {
    int32_t
        acquisition_port; /* -1: a new socket and port for each request; 0: one shared, port by the kernel */
    IpAddress acquisition_v4, acquisition_v6; /* IP_UNSPEC: any */
    char acquisition_device[16];              /* "": any */
    uint8_t dscp;                             /* 0..63 */
    double refresh;                           /* s between looking names up again; 0: never */
} NetConfig;

/* Paths are heap strings, NULL when unset; owned by the Config. */
typedef struct DaemonConfig {
    char *drift_file;
    double drift_interval; /* s; 3600 */
    char *pid_file;        /* "/": none */
    char *user;
    bool lock_all;
    int32_t sched_priority; /* 0..100 */
} DaemonConfig;

/* `initstepslew`: whom to ask before anything else. */
typedef struct InitStepSlewConfig {
    char **hosts;     /* owned; names or addresses, NULL-terminated; NULL: nobody */
    double threshold; /* s; from there on the clock is stepped, else slewed */
} InitStepSlewConfig;

/* `log`: which files of measurements are written. */
typedef struct LogConfig {
    bool measurements, raw_measurements; /* of one file: only valid answers, or all */
    bool statistics, selection, tracking;
    char *dir;      /* owned; NULL: nowhere */
    int32_t banner; /* entries between two banners; 0: none; 32 */
} LogConfig;

typedef struct Config {
    SourceConfig *sources; /* in the order of the files */
    size_t source_count;
    SelectionConfig selection;
    ClockConfig clock;
    NetConfig net;
    ServerConfig server;
    NtsConfig nts;
    NtsServerConfig nts_server;
    LocalConfig local;
    InitStepSlewConfig initstepslew;
    DaemonConfig daemon;
    char *key_file; /* owned; NULL: none */
    LogConfig log;
    int32_t min_samples, max_samples; /* 1..64; for sources that do not say */
    char **source_dirs; /* of each sourcedir line its directories, with spaces between them; NULL-terminated
                           or NULL */
    char **files;       /* that were read, in this order; NULL-terminated or NULL */
    size_t source_file_count; /* of files: so many at the end are .sources files */
} Config;

/* A configuration with all defaults and no source. */
int config_new(Config **ret) must_check_;
Config *config_free(Config *config);
DEFINE_CLEANUP(Config, config_free);

/* A copy that shares nothing with the original. */
int config_copy(const Config *config, Config **ret) must_check_;

/* Append a copy. */
int config_add_source(Config *config, const SourceConfig *source) must_check_;

/* Whether servers that networks offer are wanted: CONFIG_OFFERS_DIRECTORY is a sourcedir. */
bool config_takes_offers(const Config *config);

/* Forgets what came from .sources files. */
void config_drop_source_files(Config *config);

/* Exchanges what .sources files have a part in: the sources, and the list of files. */
void config_swap_sources(Config *a, Config *b);

/* Replaces a heap string of the Config by a copy of value; NULL unsets it. */
int config_set_string(char **target, const char *value) must_check_;

/* A source with the defaults of its options. */
SourceConfig source_config_default(SourceKind kind, const char *name);
