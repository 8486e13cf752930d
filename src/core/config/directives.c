// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The table of directives and options, sorted by name; see directives.h. A row of a supported word says where
 * its value goes, what range it has and in which unit the file writes it. A directive that waits for its
 * feature has a name only: when the feature comes, its row is filled in and the manual gains a paragraph (a
 * test holds the two together). */

#include "core/config/directives.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/spelling.h"
#include "core/config/config.h"
#include "core/config/words.h"

/* Large enough for every sensible number, small enough that arithmetic with it stays finite. */
#define HUGE_SECONDS 1e10
#define HUGE_RATIO   1e6
#define PPM          1e-6

#define AT(member)    .offset = offsetof(Config, member)
#define OF(member)    .offset = offsetof(SourceConfig, member)
#define RANGE(lo, hi) .min = (lo), .max = (hi)
#define CLAMPED_HIGH  .clamp_high = true
#define CLAMPED       .clamp_low = true, .clamp_high = true
#define LATER(word)                                                                                          \
    {                                                                                                        \
        .name = (word), .status = DIRECTIVE_LATER                                                            \
    }
#define OBSOLETE(word)                                                                                       \
    {                                                                                                        \
        .name = (word), .status = DIRECTIVE_OBSOLETE                                                         \
    }

// clang-format off
const Directive DIRECTIVES[] = {
    {"acquisitionport", .arguments = "PORT",
     .fields = {{VALUE_INT32, AT(net.acquisition_port), RANGE(0, 65535)}}},
    {"allow", .arguments = "[all] [NETWORK]", .form = FORM_ACCESS},
    {"authselectmode", .arguments = "require|prefer|mix|ignore",
     .fields = {{VALUE_CHOICE, AT(selection.auth_mode), .choices = "require|prefer|mix|ignore"}}},
    {"bindacqaddress", .arguments = "ADDRESS", .form = FORM_ADDRESS},
    {"bindacqdevice", .arguments = "INTERFACE",
     .fields = {{VALUE_TEXT, AT(net.acquisition_device), RANGE(1, 15)}}},
    {"bindaddress", .arguments = "ADDRESS", .form = FORM_LISTEN},
    {"bindcmdaddress", .arguments = "/", .form = FORM_ONLY},
    LATER("bindcmddevice"),
    {"binddevice", .arguments = "INTERFACE", .fields = {{VALUE_TEXT, AT(server.device), RANGE(1, 15)}}},
    {"broadcast", .arguments = "INTERVAL ADDRESS [PORT]", .form = FORM_BROADCAST},
    {"clientloglimit", .arguments = "BYTES",
     .fields = {{VALUE_UINT32, AT(server.log_limit), CLAMPED_HIGH, RANGE(0, 2147483648)}}},
    {"clockprecision", .arguments = "SECONDS",
     .fields = {{VALUE_DOUBLE, AT(clock.precision), CLAMPED, RANGE(1e-9, 1)}}},
    LATER("cmdallow"),
    LATER("cmddeny"),
    {"cmdport", .arguments = "0", .form = FORM_ONLY},
    LATER("cmdratelimit"),
    {"combinelimit", .arguments = "RATIO",
     .fields = {{VALUE_DOUBLE, AT(selection.combine_limit), RANGE(0, HUGE_RATIO)}}},
    OBSOLETE("commandkey"),
    {"confdir", .arguments = "DIRECTORY...", .form = FORM_CONFDIR},
    {"corrtimeratio", .arguments = "RATIO",
     .fields = {{VALUE_DOUBLE, AT(clock.corr_time_ratio), RANGE(1e-3, HUGE_RATIO)}}},
    {"deny", .arguments = "[all] [NETWORK]", .form = FORM_ACCESS},
    {"driftfile", .arguments = "FILE [interval SECONDS]", .form = FORM_DRIFTFILE},
    {"dscp", .arguments = "CODE", .fields = {{VALUE_UINT8, AT(net.dscp), RANGE(0, 63)}}},
    LATER("dumpdir"),
    {"dumponexit", .status = DIRECTIVE_IGNORED},
    LATER("fallbackdrift"),
    OBSOLETE("generatecommandkey"),
    LATER("hwclockfile"),
    LATER("hwtimestamp"),
    LATER("hwtstimeout"),
    {"include", .arguments = "PATTERN", .form = FORM_INCLUDE},
    {"initstepslew", .arguments = "THRESHOLD [HOST...]", .form = FORM_INITSTEPSLEW,
     .fields = {{VALUE_DOUBLE, AT(initstepslew.threshold), RANGE(-HUGE_SECONDS, HUGE_SECONDS)}}},
    {"keyfile", .arguments = "FILE", .fields = {{VALUE_STRING, AT(key_file)}}},
    LATER("leapseclist"),
    LATER("leapsecmode"),
    LATER("leapsectz"),
    OBSOLETE("linux_freq_scale"),
    OBSOLETE("linux_hz"),
    {"local", .arguments = "[stratum STRATUM] [distance SECONDS] [activate SECONDS] [waitsynced SECONDS] [waitunsynced SECONDS] [orphan]",
     .form = FORM_OPTIONS, .fields = {{VALUE_FLAG, AT(local.enabled)}}, .options = LOCAL_OPTIONS},
    {"lock_all", .arguments = "", .fields = {{VALUE_FLAG, AT(daemon.lock_all)}}},
    {"log", .arguments = "FILE...", .form = FORM_LOG},
    {"logbanner", .arguments = "ENTRIES",
     .fields = {{VALUE_INT32, AT(log.banner), RANGE(0, INT32_MAX)}}},
    {"logchange", .arguments = "SECONDS",
     .fields = {{VALUE_DOUBLE, AT(clock.log_change), RANGE(0, HUGE_SECONDS)}}},
    {"logdir", .arguments = "DIRECTORY", .fields = {{VALUE_STRING, AT(log.dir)}}},
    LATER("mailonchange"),
    {"makestep", .arguments = "THRESHOLD LIMIT",
     .fields = {{VALUE_DOUBLE, AT(clock.step_threshold), RANGE(-HUGE_SECONDS, HUGE_SECONDS)},
                {VALUE_INT32, AT(clock.step_limit), RANGE(INT32_MIN, INT32_MAX)}}},
    {"manual", .arguments = "", .fields = {{VALUE_FLAG, AT(clock.manual)}}},
    {"maxchange", .arguments = "OFFSET START IGNORE",
     .fields = {{VALUE_DOUBLE, AT(clock.max_change_offset), RANGE(0, HUGE_SECONDS)},
                {VALUE_INT32, AT(clock.max_change_start), RANGE(0, INT32_MAX)},
                {VALUE_INT32, AT(clock.max_change_ignore), RANGE(INT32_MIN, INT32_MAX)}}},
    {"maxclockerror", .arguments = "PPM",
     .fields = {{VALUE_DOUBLE, AT(clock.max_clock_error), RANGE(0, 1e5), .scale = PPM}}},
    {"maxdistance", .arguments = "SECONDS",
     .fields = {{VALUE_DOUBLE, AT(selection.max_distance), RANGE(0, HUGE_SECONDS)}}},
    {"maxdrift", .arguments = "PPM",
     .fields = {{VALUE_DOUBLE, AT(clock.max_drift), CLAMPED, RANGE(0, 1e5), .scale = PPM}}},
    {"maxjitter", .arguments = "SECONDS",
     .fields = {{VALUE_DOUBLE, AT(selection.max_jitter), RANGE(0, HUGE_SECONDS)}}},
    {"maxntsconnections", .arguments = "CONNECTIONS",
     .fields = {{VALUE_INT32, AT(nts_server.max_connections), RANGE(1, INT32_MAX)}}},
    {"maxsamples", .arguments = "SAMPLES",
     .fields = {{VALUE_INT32, AT(max_samples), CLAMPED_HIGH, RANGE(0, 64)}}},
    {"maxslewrate", .arguments = "PPM",
     .fields = {{VALUE_DOUBLE, AT(clock.max_slew_rate), CLAMPED_HIGH, RANGE(0, 1e5), .scale = PPM}}},
    {"maxstratum", .arguments = "STRATUM",
     .fields = {{VALUE_INT32, AT(selection.max_stratum), RANGE(0, INT32_MAX)}}},
    LATER("maxtxbuffers"),
    {"maxupdateskew", .arguments = "PPM",
     .fields = {{VALUE_DOUBLE, AT(clock.max_update_skew), RANGE(0, HUGE_RATIO), .scale = PPM}}},
    {"minsamples", .arguments = "SAMPLES",
     .fields = {{VALUE_INT32, AT(min_samples), CLAMPED_HIGH, RANGE(0, 64)}}},
    {"minsources", .arguments = "SOURCES",
     .fields = {{VALUE_INT32, AT(selection.min_sources), RANGE(1, INT32_MAX)}}},
    {"minstratum", .arguments = "STRATUM",
     .fields = {{VALUE_INT32, AT(selection.min_stratum), RANGE(0, INT32_MAX)}}},
    {"nocerttimecheck", .arguments = "UPDATES",
     .fields = {{VALUE_INT32, AT(nts.no_time_check), RANGE(0, INT32_MAX)}}},
    {"noclientlog", .arguments = "", .fields = {{VALUE_FLAG, AT(server.no_client_log)}}},
    {"nosystemcert", .arguments = "", .fields = {{VALUE_FLAG, AT(nts.no_system_certs)}}},
    {"ntpsigndsocket", .arguments = "DIRECTORY", .fields = {{VALUE_STRING, AT(server.signd_directory)}}},
    {"ntsaeads", .arguments = "[ID]...", .form = FORM_AEADS},
    {"ntscachedir", .arguments = "DIRECTORY", .fields = {{VALUE_STRING, AT(nts.dump_dir)}}},
    {"ntsdumpdir", .arguments = "DIRECTORY", .fields = {{VALUE_STRING, AT(nts.dump_dir)}}},
    {"ntsntpserver", .arguments = "NAME", .fields = {{VALUE_HOST, AT(nts_server.ntp_server)}}},
    {"ntsport", .arguments = "PORT", .fields = {{VALUE_UINT16, AT(nts_server.port), RANGE(0, 65535)}}},
    {"ntsprocesses", .arguments = "THREADS",
     .fields = {{VALUE_INT32, AT(nts_server.threads), RANGE(0, 1000)}}},
    {"ntsratelimit", .arguments = "[interval LOG2] [burst CONNECTIONS] [leak LOG2]", .form = FORM_OPTIONS,
     .fields = {{VALUE_FLAG, AT(nts_server.rate_limit.enabled)}}, .options = NTS_RATE_LIMIT_OPTIONS},
    {"ntsrefresh", .arguments = "SECONDS", .fields = {{VALUE_INT32, AT(nts.refresh), RANGE(0, INT32_MAX)}}},
    {"ntsrotate", .arguments = "SECONDS",
     .fields = {{VALUE_INT32, AT(nts_server.rotate), RANGE(0, INT32_MAX)}}},
    {"ntsservercert", .arguments = "FILE", .fields = {{VALUE_STRINGS, AT(nts_server.certificates)}}},
    {"ntsserverkey", .arguments = "FILE", .fields = {{VALUE_STRINGS, AT(nts_server.keys)}}},
    {"ntstrustedcerts", .arguments = "[SET] FILE", .form = FORM_TRUST},
    LATER("opencommands"),
    {"peer", .arguments = "NAME [OPTION]...", .form = FORM_SOURCE},
    {"pidfile", .arguments = "FILE", .fields = {{VALUE_STRING, AT(daemon.pid_file)}}},
    {"pool", .arguments = "NAME [OPTION]...", .form = FORM_SOURCE},
    {"port", .arguments = "PORT", .fields = {{VALUE_UINT16, AT(server.port), RANGE(0, 65535)}}},
    LATER("ptpdomain"),
    LATER("ptpport"),
    {"ratelimit", .arguments = "[interval LOG2] [burst ANSWERS] [leak LOG2] [kod LOG2]",
     .form = FORM_OPTIONS, .fields = {{VALUE_FLAG, AT(server.rate_limit.enabled)}}, .options = RATE_LIMIT_OPTIONS},
    LATER("refclock"),
    {"refresh", .arguments = "SECONDS", .fields = {{VALUE_DOUBLE, AT(net.refresh), RANGE(0, INT32_MAX)}}},
    {"reselectdist", .arguments = "SECONDS",
     .fields = {{VALUE_DOUBLE, AT(selection.reselect_distance), RANGE(0, HUGE_SECONDS)}}},
    LATER("rtcautotrim"),
    LATER("rtcdevice"),
    LATER("rtcfile"),
    LATER("rtconutc"),
    {"rtcsync", .arguments = "", .fields = {{VALUE_FLAG, AT(clock.rtc_sync)}}},
    {"sched_priority", .arguments = "PRIORITY",
     .fields = {{VALUE_INT32, AT(daemon.sched_priority), RANGE(0, 100)}}},
    {"server", .arguments = "NAME [OPTION]...", .form = FORM_SOURCE},
    {"serverthreads", .arguments = "THREADS", .fields = {{VALUE_INT32, AT(server.threads), RANGE(0, 64)}}},
    LATER("smoothtime"),
    {"sourcedir", .arguments = "DIRECTORY...", .form = FORM_SOURCEDIR},
    {"stratumweight", .arguments = "SECONDS",
     .fields = {{VALUE_DOUBLE, AT(selection.stratum_weight), RANGE(0, HUGE_SECONDS)}}},
    LATER("tempcomp"),
    {"user", .arguments = "NAME", .fields = {{VALUE_STRING, AT(daemon.user)}}},
    {NULL},
};

const OptionEntry SOURCE_OPTIONS[] = {
    {"asymmetry", .arguments = "RATIO", .field = {VALUE_DOUBLE, OF(asymmetry), RANGE(-0.5, 0.5)}},
    {"auto_offline", .arguments = "", .field = {VALUE_FLAG, OF(auto_offline)}},
    {"burst", .arguments = "", .field = {VALUE_FLAG, OF(burst)}},
    {"certset", .arguments = "SET", .field = {VALUE_UINT32, OF(cert_set), RANGE(0, UINT32_MAX)}},
    {"copy", .arguments = "", .field = {VALUE_FLAG, OF(copy)}},
    {"extfield", .arguments = "TYPE", .field = {VALUE_EXTENSION, OF(mono_root)}},
    {"filter", .arguments = "SAMPLES", .field = {VALUE_INT32, OF(filter), CLAMPED_HIGH, RANGE(0, 256)}},
    {"iburst", .arguments = "", .field = {VALUE_FLAG, OF(iburst)}},
    {"ipv4", .arguments = "", .field = {VALUE_IPV4, OF(family)}},
    {"ipv6", .arguments = "", .field = {VALUE_IPV6, OF(family)}},
    {"key", .arguments = "ID", .field = {VALUE_UINT32, OF(key), RANGE(1, UINT32_MAX)}},
    {"maxdelay", .arguments = "SECONDS", .field = {VALUE_DOUBLE, OF(max_delay), CLAMPED, RANGE(0, 1000)}},
    {"maxdelaydevratio", .arguments = "RATIO",
     .field = {VALUE_DOUBLE, OF(max_delay_dev_ratio), CLAMPED, RANGE(0, HUGE_RATIO)}},
    {"maxdelayquant", .arguments = "PROBABILITY",
     .field = {VALUE_DOUBLE, OF(max_delay_quantile), CLAMPED, RANGE(0.05, 0.95)}},
    {"maxdelayratio", .arguments = "RATIO",
     .field = {VALUE_DOUBLE, OF(max_delay_ratio), CLAMPED, RANGE(0, HUGE_RATIO)}},
    {"maxpoll", .arguments = "LOG2", .field = {VALUE_POLL, OF(maxpoll), RANGE(-7, 24)}},
    {"maxsamples", .arguments = "SAMPLES", .field = {VALUE_INT32, OF(max_samples), CLAMPED_HIGH, RANGE(1, 64)}},
    {"maxsources", .arguments = "SOURCES", .field = {VALUE_INT32, OF(max_sources), CLAMPED, RANGE(1, 16)}},
    {"maxunreach", .arguments = "POLLS", .field = {VALUE_INT32, OF(max_unreach), RANGE(0, INT32_MAX)}},
    {"mindelay", .arguments = "SECONDS", .field = {VALUE_DOUBLE, OF(min_delay), RANGE(0, HUGE_SECONDS)}},
    {"minpoll", .arguments = "LOG2", .field = {VALUE_POLL, OF(minpoll), RANGE(-7, 24)}},
    {"minsamples", .arguments = "SAMPLES", .field = {VALUE_INT32, OF(min_samples), CLAMPED_HIGH, RANGE(1, 64)}},
    {"minstratum", .arguments = "STRATUM", .field = {VALUE_INT32, OF(min_stratum), RANGE(0, 15)}},
    {"noselect", .arguments = "", .field = {VALUE_FLAG, OF(select.noselect)}},
    {"nts", .arguments = "", .field = {VALUE_FLAG, OF(nts)}},
    {"ntsport", .arguments = "PORT", .field = {VALUE_UINT16, OF(nts_port), RANGE(1, 65535)}},
    {"offline", .arguments = "", .field = {VALUE_FLAG, OF(offline)}},
    {"offset", .arguments = "SECONDS", .field = {VALUE_DOUBLE, OF(offset), RANGE(-HUGE_SECONDS, HUGE_SECONDS)}},
    {"polltarget", .arguments = "SAMPLES", .field = {VALUE_INT32, OF(poll_target), RANGE(1, INT32_MAX)}},
    {"port", .arguments = "PORT", .field = {VALUE_UINT16, OF(port), RANGE(1, 65535)}},
    {"prefer", .arguments = "", .field = {VALUE_FLAG, OF(select.prefer)}},
    {"presend", .arguments = "LOG2", .field = {VALUE_INT32, OF(presend), RANGE(-32, 32)}},
    {"require", .arguments = "", .field = {VALUE_FLAG, OF(select.require)}},
    {"trust", .arguments = "", .field = {VALUE_FLAG, OF(select.trust)}},
    {"version", .arguments = "VERSION", .field = {VALUE_INT32, OF(version), RANGE(1, 4)}},
    {"xleave", .arguments = "", .field = {VALUE_FLAG, OF(xleave)}},
    {NULL},
};

const OptionEntry LOCAL_OPTIONS[] = {
    {"activate", .arguments = "SECONDS", .field = {VALUE_DOUBLE, AT(local.activate), RANGE(0, HUGE_SECONDS)}},
    {"distance", .arguments = "SECONDS", .field = {VALUE_DOUBLE, AT(local.distance), RANGE(0, HUGE_SECONDS)}},
    {"orphan", .arguments = "", .field = {VALUE_FLAG, AT(local.orphan)}},
    {"stratum", .arguments = "STRATUM", .field = {VALUE_INT32, AT(local.stratum), RANGE(1, 15)}},
    {"waitsynced", .arguments = "SECONDS", .field = {VALUE_DOUBLE, AT(local.wait_synced), RANGE(0, HUGE_SECONDS)}},
    {"waitunsynced", .arguments = "SECONDS", .field = {VALUE_DOUBLE, AT(local.wait_unsynced), RANGE(0, HUGE_SECONDS)}},
    {NULL},
};

const OptionEntry RATE_LIMIT_OPTIONS[] = {
    {"burst", .arguments = "ANSWERS", .field = {VALUE_INT32, AT(server.rate_limit.burst), CLAMPED, RANGE(1, 255)}},
    {"interval", .arguments = "LOG2", .field = {VALUE_INT32, AT(server.rate_limit.interval), CLAMPED, RANGE(-19, 12)}},
    {"kod", .arguments = "LOG2", .field = {VALUE_INT32, AT(server.rate_limit.kod), CLAMPED, RANGE(0, 4)}},
    {"leak", .arguments = "LOG2", .field = {VALUE_INT32, AT(server.rate_limit.leak), CLAMPED, RANGE(1, 4)}},
    {NULL},
};

const OptionEntry NTS_RATE_LIMIT_OPTIONS[] = {
    {"burst", .arguments = "CONNECTIONS", .field = {VALUE_INT32, AT(nts_server.rate_limit.burst), CLAMPED, RANGE(1, 255)}},
    {"interval", .arguments = "LOG2", .field = {VALUE_INT32, AT(nts_server.rate_limit.interval), CLAMPED, RANGE(-19, 12)}},
    {"leak", .arguments = "LOG2", .field = {VALUE_INT32, AT(nts_server.rate_limit.leak), CLAMPED, RANGE(1, 4)}},
    {NULL},
};
// clang-format on

static_assert(ELEMENTS(DIRECTIVES) == 100 + 1 + 1, "all keywords of chrony.conf, and serverthreads");
static_assert(ELEMENTS(SOURCE_OPTIONS) == 36 + 1, "all options of its sources");
static_assert(sizeof(((NetConfig *) NULL)->acquisition_device) == 15 + 1, "bindacqdevice");
static_assert(sizeof(((ServerConfig *) NULL)->device) == 15 + 1, "binddevice");

/* Both kinds of row begin with their name. */
static int compare_name(const void *key, const void *row)
{
    return strcasecmp(key, *(const char *const *) row);
}

static_assert(offsetof(Directive, name) == 0 && offsetof(OptionEntry, name) == 0, "compare_name()");

const Directive *directive_find(const char *name)
{
    return bsearch(name, DIRECTIVES, ELEMENTS(DIRECTIVES) - 1, sizeof(DIRECTIVES[0]), compare_name);
}

const OptionEntry *source_option_find(const char *name)
{
    return bsearch(name, SOURCE_OPTIONS, ELEMENTS(SOURCE_OPTIONS) - 1, sizeof(SOURCE_OPTIONS[0]),
                   compare_name);
}

/* The search for a word like this one. */
typedef struct Nearest {
    const char *word;
    size_t length;
    size_t distance; /* of the candidate, or one more than what is allowed */
    const char *candidate;
} Nearest;

static Nearest nearest_start(const char *word)
{
    return (Nearest) {.word = word, .length = strlen(word), .distance = spelling_tolerance(word) + 1};
}

static void nearest_consider(Nearest *nearest, const char *candidate)
{
    size_t length = strlen(candidate);
    size_t difference = length > nearest->length ? length - nearest->length : nearest->length - length;

    /* It takes at least one edit for each byte that one word is longer. */
    if (difference >= nearest->distance)
        return;
    size_t distance = spelling_distance(nearest->word, candidate);
    if (distance < nearest->distance) {
        nearest->distance = distance;
        nearest->candidate = candidate;
    }
}

const char *directive_nearest(const char *name)
{
    Nearest nearest = nearest_start(name);

    for (const Directive *d = DIRECTIVES; d->name; d++)
        nearest_consider(&nearest, d->name);
    return nearest.candidate;
}

const char *source_option_nearest(const char *name)
{
    Nearest nearest = nearest_start(name);

    for (const OptionEntry *o = SOURCE_OPTIONS; o->name; o++)
        nearest_consider(&nearest, o->name);
    return nearest.candidate;
}
