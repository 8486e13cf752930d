// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Rules to flips; see access.h.
 *
 * Networks are either disjoint or one is inside the other, so rules sorted by first address and then by
 * prefix form a tree in preorder, walked with a stack of the networks that are open. A rule `all` makes those
 * inside of it count only when they came later.
 *
 * Addresses of both families are 128-bit numbers, those of IPv4 in the upper bits: one code for both. */

#include "core/ntp/access.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"

__extension__ typedef unsigned __int128 Wide;

#define WIDE_MAX  (~(Wide) 0)
#define DEPTH_MAX 130 /* a network for each length, and the world around them */

typedef struct Flips {
    Wide
        *at; /* owned, ascending: denied before the first, allowed from it on, denied from the second on... */
    size_t count;
} Flips;

struct AccessTable {
    Flips v4, v6;
};

/* One network with what is said of it. */
typedef struct Network {
    Wide first, last;
    uint8_t prefix;
    bool allow;
    size_t order;     /* of the rule, from 1 */
    size_t all_order; /* of the last rule `all` for it; 0: none */
} Network;

typedef struct Compiler {
    Network *open[DEPTH_MAX]; /* from the world inwards; all_order is the largest of all around it */
    size_t depth;
    Flips flips; /* being filled; room for two for each network */
    bool *allow; /* from the same index of flips on */
} Compiler;

static Wide wide_of(const IpAddress *address)
{
    ByteReader reader = byte_reader(address->bytes, sizeof(address->bytes));

    if (address->family == IP_V4)
        return (Wide) byte_reader_u32(&reader) << 96;
    Wide high = byte_reader_u64(&reader);
    return high << 64 | byte_reader_u64(&reader);
}

static Network network_of(const AccessRule *rule, IpFamily family, size_t order)
{
    unsigned bits = family == IP_V4 ? 32 : 128;
    unsigned prefix = rule->network.family == IP_UNSPEC ? 0 : MIN((unsigned) rule->prefix, bits);
    Wide host = prefix == 0 ? WIDE_MAX : prefix == 128 ? 0 : WIDE_MAX >> prefix;
    Wide first = rule->network.family == IP_UNSPEC ? 0 : wide_of(&rule->network) & ~host;

    return (Network) {
        .first = first,
        .last = first | host,
        .prefix = (uint8_t) prefix,
        .allow = rule->allow,
        .order = order,
        .all_order = rule->all ? order : 0,
    };
}

static int compare(const void *a, const void *b)
{
    const Network *x = a, *y = b;

    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    if (x->prefix != y->prefix)
        return x->prefix < y->prefix ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Makes one of several rules for the same network; returns how many are left. */
static size_t merge(Network *networks, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        Network *previous = kept > 0 ? &networks[kept - 1] : NULL;
        if (!previous || previous->first != networks[i].first || previous->prefix != networks[i].prefix) {
            networks[kept++] = networks[i];
            continue;
        }
        previous->allow = networks[i].allow;
        previous->order = networks[i].order;
        previous->all_order = MAX(previous->all_order, networks[i].all_order);
    }
    return kept;
}

static void say(Compiler *compiler, Wide from, bool allow)
{
    Flips *flips = &compiler->flips;

    if (flips->count > 0 && flips->at[flips->count - 1] == from)
        flips->count--;
    flips->at[flips->count] = from;
    compiler->allow[flips->count++] = allow;
}

/* Closes the networks that end before an address. */
static void close_before(Compiler *compiler, Wide address)
{
    while (compiler->depth > 1 && compiler->open[compiler->depth - 1]->last < address) {
        const Network *closed = compiler->open[--compiler->depth];
        say(compiler, closed->last + 1, compiler->open[compiler->depth - 1]->allow);
    }
}

static void close_all(Compiler *compiler)
{
    while (compiler->depth > 1) {
        const Network *closed = compiler->open[--compiler->depth];
        if (closed->last != WIDE_MAX)
            say(compiler, closed->last + 1, compiler->open[compiler->depth - 1]->allow);
    }
}

static void walk(Compiler *compiler, Network *networks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        Network *network = &networks[i];
        close_before(compiler, network->first);
        const Network *around = compiler->open[compiler->depth - 1];
        if (network->order < around->all_order)
            continue;
        network->all_order = MAX(network->all_order, around->all_order);
        assert(compiler->depth < DEPTH_MAX);
        compiler->open[compiler->depth++] = network;
        say(compiler, network->first, network->allow);
    }
    close_all(compiler);
}

/* Keeps only the places where the answer changes. */
static void squeeze(Flips *flips, const bool *allow)
{
    size_t kept = 0;

    for (size_t i = 0; i < flips->count; i++)
        if (allow[i] == (kept % 2 == 0))
            flips->at[kept++] = flips->at[i];
    flips->count = kept;
}

static int compile(const AccessRule *rules, size_t count, IpFamily family, Flips *ret)
{
    cleanup_(freep) Network *networks = calloc(count + 1, sizeof(*networks));
    cleanup_(freep) Wide *at = calloc(2 * count + 1, sizeof(*at));
    cleanup_(freep) bool *allow = calloc(2 * count + 1, sizeof(*allow));
    Network world = {.last = WIDE_MAX};
    Compiler compiler = {.open = {&world}, .depth = 1, .flips = {.at = at}, .allow = allow};
    size_t used = 0;

    if (!networks || !at || !allow)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        if (rules[i].network.family == family || rules[i].network.family == IP_UNSPEC)
            networks[used++] = network_of(&rules[i], family, i + 1);
    qsort(networks, used, sizeof(*networks), compare);
    walk(&compiler, networks, merge(networks, used));
    squeeze(&compiler.flips, allow);
    *ret = compiler.flips;
    (void) TAKE_PTR(at);
    return 0;
}

int access_table_new(const AccessRule *rules, size_t count, AccessTable **ret)
{
    cleanup_(access_table_freep) AccessTable *table = calloc(1, sizeof(*table));
    int r;

    if (!table)
        return -ENOMEM;
    if ((r = compile(rules, count, IP_V4, &table->v4)) < 0 ||
        (r = compile(rules, count, IP_V6, &table->v6)) < 0)
        return r;
    *ret = TAKE_PTR(table);
    return 0;
}

AccessTable *access_table_free(AccessTable *table)
{
    if (!table)
        return NULL;
    free(table->v4.at);
    free(table->v6.at);
    free(table);
    return NULL;
}

static const Flips *flips_of(const AccessTable *table, IpFamily family)
{
    return family == IP_V4 ? &table->v4 : &table->v6;
}

bool access_table_allows(const AccessTable *table, const IpAddress *address)
{
    const Flips *flips = flips_of(table, address->family);
    Wide wide = wide_of(address);
    size_t low = 0, high = flips->count;

    if (address->family == IP_UNSPEC)
        return false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (flips->at[middle] <= wide)
            low = middle + 1;
        else
            high = middle;
    }
    return low % 2 == 1;
}

bool access_table_allows_any(const AccessTable *table, IpFamily family)
{
    return flips_of(table, family)->count > 0;
}
