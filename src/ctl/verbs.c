// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The table of verbs; see verbs.h. Their names, arguments and order within a group are chronyc's where it has
 * them. */

#include "ctl/verbs.h"

#include "base/spelling.h"
#include "base/text.h"

#define REPORT (VERB_JSON | VERB_PAGER)

static const Verb verbs[] = {
    {"status", "", "How the clock is (the default)", 0, 0, VERB_JSON | VERB_NO_CSV, verb_status},
    {"tracking", "", "The clock in figures", 0, 0, REPORT, verb_tracking},
    {"sources", "", "The sources and their last samples", 0, 0, REPORT, verb_sources},
    {"sourcestats", "", "What the samples of each source say", 0, 0, REPORT, verb_sourcestats},
    {"selectdata", "", "How each source was judged", 0, 0, REPORT, verb_selectdata},
    {"authdata", "", "How each source is authenticated", 0, 0, REPORT, verb_authdata},
    {"ntpdata", "[SOURCE]", "The last exchange with each server", 0, 1, REPORT, verb_ntpdata},
    {"activity", "", "How many sources are online, offline, unresolved", 0, 0, VERB_JSON, verb_activity},
    {"explain", "[SOURCE]", "Why the clock and the sources are as they are", 0, 1, REPORT | VERB_NO_CSV,
     verb_explain},
    {"nts-check", "NAME [PORT [CERTSET]]", "Try a server with Network Time Security", 1, 3,
     VERB_JSON | VERB_NO_CSV, verb_nts_check},
    {"sourcename", "ADDRESS", "The name under which a source was configured", 1, 1, 0, verb_sourcename},
    {"waitsync", "[TRIES [CORRECTION [SKEW [INTERVAL]]]]", "Wait until the clock is synchronised", 0, 4, 0,
     verb_waitsync},
    {"add", "server|pool|peer NAME [OPTION...]", "Add a source", 2, -1, 0, verb_add},
    {"delete", "SOURCE", "Remove a source", 1, 1, 0, verb_delete},
    {"online", "[NETWORK]", "Poll sources", 0, 1, 0, verb_online},
    {"offline", "[NETWORK]", "Stop polling sources", 0, 1, 0, verb_offline},
    {"onoffline", "", "Poll the sources that there is a way to", 0, 0, 0, verb_onoffline},
    {"burst", "GOOD/TOTAL [NETWORK]", "Take several samples at once", 1, 2, 0, verb_burst},
    {"refresh", "", "Look the names of the sources up again", 0, 0, 0, verb_refresh},
    {"reselect", "", "Select the best source again", 0, 0, 0, verb_reselect},
    {"reselectdist", "SECONDS", "Set the handicap of sources that are not selected", 1, 1, 0,
     verb_reselectdist},
    {"selectopts", "SOURCE [+|-OPTION...]", "Set or clear noselect, prefer, trust, require", 1, -1, 0,
     verb_selectopts},
    {"minpoll", "SOURCE LOG2SECONDS", "Set the shortest polling interval", 2, 2, 0, verb_option},
    {"maxpoll", "SOURCE LOG2SECONDS", "Set the longest polling interval", 2, 2, 0, verb_option},
    {"maxdelay", "SOURCE SECONDS", "Set the longest delay of a sample", 2, 2, 0, verb_option},
    {"maxdelayratio", "SOURCE RATIO", "Set it as a ratio to the shortest delay", 2, 2, 0, verb_option},
    {"maxdelaydevratio", "SOURCE RATIO", "Set it by the deviation of the offset", 2, 2, 0, verb_option},
    {"minstratum", "SOURCE STRATUM", "Set the least stratum of a source", 2, 2, 0, verb_option},
    {"polltarget", "SOURCE SAMPLES", "Set how many samples polling aims at", 2, 2, 0, verb_option},
    {"offset", "SOURCE SECONDS", "Set the correction of a source's offset", 2, 2, 0, verb_option},
    {"makestep", "[THRESHOLD LIMIT]", "Correct the clock at once, or set when to", 0, 2, 0, verb_makestep},
    {"settime", "DATE...", "Say what time it is", 1, -1, 0, verb_settime},
    {"manual", "on|off|list|reset|delete [ENTRY]", "The time as people entered it", 1, 2, REPORT,
     verb_manual},
    {"maxupdateskew", "PPM", "Set the worst skew of a frequency that is used", 1, 1, 0, verb_maxupdateskew},
    {"serverstats", "", "How many requests were answered and dropped", 0, 0, REPORT, verb_serverstats},
    {"clients", "[-p PACKETS] [-k] [-r]", "Who asks us for the time", 0, -1, REPORT, verb_clients},
    {"allow", "[all] [NETWORK]", "Let a network ask us for the time", 0, 2, 0, verb_allow},
    {"deny", "[all] [NETWORK]", "Do not let it", 0, 2, 0, verb_deny},
    {"accheck", "ADDRESS", "Whether an address may ask", 1, 1, 0, verb_accheck},
    {"local", "[off | orphan | OPTION VALUE...]", "Serve this machine's own clock when not synchronised", 0,
     -1, 0, verb_local},
    {"reload", "[sources]", "Read the configuration, or only the .sources files", 0, 1, 0, verb_reload},
    {"reset", "sources", "Drop all samples", 1, 1, 0, verb_reset},
    {"rekey", "", "Read the key file again", 0, 0, 0, verb_rekey},
    {"keygen", "[ID [TYPE [BITS]]]", "Make a key for the key file", 0, 3, VERB_NO_BUS, verb_keygen},
    {"dump", "", "Write the state files now", 0, 0, 0, verb_dump},
    {"cyclelogs", "", "Open the log files of measurements anew", 0, 0, 0, verb_cyclelogs},
    {"help", "", "Show this help", 0, 0, VERB_NO_BUS | VERB_PAGER, verb_help},
};

const Verb *verb_find(const char *name)
{
    for (size_t i = 0; i < ELEMENTS(verbs); i++)
        if (text_equal(verbs[i].name, name))
            return &verbs[i];
    return NULL;
}

const char *verb_nearest(const char *name)
{
    size_t least = spelling_tolerance(name) + 1;
    const char *nearest = NULL;

    for (size_t i = 0; i < ELEMENTS(verbs); i++) {
        size_t distance = spelling_distance(name, verbs[i].name);
        if (distance < least) {
            least = distance;
            nearest = verbs[i].name;
        }
    }
    return nearest;
}

const Verb *verb_at(size_t index)
{
    return index < ELEMENTS(verbs) ? &verbs[index] : NULL;
}
