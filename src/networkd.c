// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See networkd.h. Whenever a file has changed, all are read, and what differs from the last time is told.
 *
 * networkd empties a file and fills it again while it sets an interface up, also when it was only started
 * anew and the lease is as good as ever. So as long as it is at that, and there is a carrier, the servers of
 * before stay, for some time. Where they come from (DHCP, DHCPv6, a .network file) the files do not say. */

#include "networkd.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "folder-watch.h"

#define REST_USEC    100000
#define LONGEST_USEC 500000
#define HOLD_USEC    120000000
#define ACCURACY     100000 /* us */
/* Far beyond any that networkd writes. */
#define FILE_MAX     65536
#define LINKS_MAX    1024

/* One interface, as its file describes it. */
typedef struct Link {
    char name[INTERFACE_NAME_MAX];
    char *servers;      /* owned; "": none */
    char states[256];   /* lines of the file */
    bool in_transition; /* it has a carrier and is being set up */
    uint64_t held; /* its servers are of before, and not for longer, CLOCK_MONOTONIC; 0: they are of now */
} Link;

typedef struct Links {
    Link *list; /* owned */
    size_t count;
} Links;

struct Networkd {
    sd_event *event;                                /* referenced */
    char *directory, *links_directory, *state_file; /* owned */
    FolderWatch *watch;
    sd_event_source *timer; /* held servers are let go */
    NetworkdHandlers handlers;
    void *userdata;
    Links links;      /* as they were told */
    char states[256]; /* lines of the file of all together */
    bool present;     /* there were files the last time */
};

static void links_clear(Links *links)
{
    for (size_t i = 0; i < links->count; i++)
        free(links->list[i].servers);
    free(links->list);
    *links = (Links) {0};
}

static Link *links_find(const Links *links, const char *name)
{
    for (size_t i = 0; i < links->count; i++)
        if (text_equal(links->list[i].name, name))
            return &links->list[i];
    return NULL;
}

/* --- files --- */

/* The value of KEY=, up to the end of its line, as a heap string; "" without such a line; NULL: no memory. */
static char *value_of(const char *content, const char *key)
{
    size_t length = strlen(key);

    for (const char *line = content; *line != '\0';) {
        size_t end = strcspn(line, "\n");
        if (end > length && line[length] == '=' && strncmp(line, key, length) == 0)
            return strndup(line + length + 1, end - length - 1);
        line += end;
        line += *line == '\n';
    }
    return strdup("");
}

static bool value_is(const char *content, const char *key, const char *const *values)
{
    cleanup_(freep) char *value = value_of(content, key);

    for (; value && *values; values++)
        if (text_equal(value, *values))
            return true;
    return false;
}

static void read_states(const char *content, char *buffer, size_t size)
{
    static const char *const keys[] = {"OPER_STATE",   "CARRIER_STATE",      "ADDRESS_STATE",
                                       "ONLINE_STATE", "IPV4_ADDRESS_STATE", "IPV6_ADDRESS_STATE"};
    Text text = text_init(buffer, size);

    for (size_t i = 0; i < ELEMENTS(keys); i++) {
        cleanup_(freep) char *value = value_of(content, keys[i]);
        text_append(&text, value ? value : "");
        text_append(&text, "\n");
    }
}

static bool is_in_transition(const char *content)
{
    static const char *const set_up[] = {"pending", "initialized", "configuring", NULL};
    static const char *const carriers[] = {"carrier", "degraded-carrier", "enslaved", NULL};

    return value_is(content, "ADMIN_STATE", set_up) && value_is(content, "CARRIER_STATE", carriers);
}

/* A file that cannot be read, or is none of networkd's, says nothing. */
static const char *read_content(const char *path, char *buffer, size_t size)
{
    size_t length;

    if (file_read_small(path, buffer, size, &length) < 0 || memchr(buffer, '\0', length))
        buffer[0] = '\0';
    return buffer;
}

static int read_link(const char *path, const char *name, char *buffer, Links *links)
{
    Link *list = reallocarray(links->list, links->count + 1, sizeof(*list));

    if (!list)
        return -ENOMEM;
    links->list = list;
    Link *link = &list[links->count];
    *link = (Link) {0};
    (void) text_copy(link->name, sizeof(link->name), name);
    const char *content = read_content(path, buffer, FILE_MAX);
    link->servers = value_of(content, "NTP");
    if (!link->servers)
        return -ENOMEM;
    read_states(content, link->states, sizeof(link->states));
    link->in_transition = is_in_transition(content);
    links->count++;
    return 0;
}

/* Those of the files whose interface exists: they are named after its index. */
static int read_links(const Networkd *networkd, DIR *directory, Links *ret)
{
    cleanup_(freep) char *buffer = malloc(FILE_MAX);
    int r = buffer ? 0 : -ENOMEM;

    for (const struct dirent *entry; r >= 0 && ret->count < LINKS_MAX && (entry = readdir(directory));) {
        char path[PATH_MAX], name[IF_NAMESIZE];
        Text text = TEXT(path);
        int64_t index;

        if (!text_to_int(entry->d_name, &index) || index <= 0 || index > INT32_MAX ||
            !if_indextoname((unsigned) index, name) || links_find(ret, name))
            continue;
        text_append_format(&text, "%s/%s", networkd->links_directory, entry->d_name);
        r = read_link(path, name, buffer, ret);
    }
    return r;
}

/* --- what is told of it --- */

/* Until when the servers of before are held. */
static uint64_t held_until(const Link *before, uint64_t now)
{
    return before->held != 0 ? before->held : now + HOLD_USEC;
}

/* Servers that are missing while networkd sets an interface up. */
static void hold_in_transition(const Networkd *networkd, uint64_t now, Links *links)
{
    for (size_t i = 0; i < links->count; i++) {
        Link *link = &links->list[i];
        const Link *before = links_find(&networkd->links, link->name);
        if (link->servers[0] != '\0' || !link->in_transition || !before || before->servers[0] == '\0' ||
            held_until(before, now) <= now)
            continue;
        char *servers = strdup(before->servers);
        if (!servers)
            continue;
        free(link->servers);
        link->servers = servers;
        link->held = held_until(before, now);
    }
}

/* Files that are missing while there is no networkd: their interfaces are still there. */
static int hold_missing(const Networkd *networkd, uint64_t now, Links *links)
{
    for (size_t i = 0; i < networkd->links.count; i++) {
        const Link *before = &networkd->links.list[i];
        if (before->servers[0] == '\0' || links_find(links, before->name) ||
            if_nametoindex(before->name) == 0 || held_until(before, now) <= now)
            continue;
        Link *list = reallocarray(links->list, links->count + 1, sizeof(*list));
        if (!list)
            return -ENOMEM;
        links->list = list;
        Link *link = &list[links->count];
        *link = *before;
        link->held = held_until(before, now);
        link->servers = strdup(before->servers);
        if (!link->servers)
            return -ENOMEM;
        links->count++;
    }
    return 0;
}

static uint64_t next_release(const Links *links)
{
    uint64_t next = 0;

    for (size_t i = 0; i < links->count; i++)
        if (links->list[i].held != 0 && (next == 0 || links->list[i].held < next))
            next = links->list[i].held;
    return next;
}

static void tell_offer(Networkd *networkd, const char *name, const char *servers)
{
    OfferedServers offered = {.provider = OFFER_NETWORKD, .servers = servers};

    (void) text_copy(offered.interface, sizeof(offered.interface), name);
    networkd->handlers.on_offered(networkd->userdata, &offered);
}

/* Those that are gone come first: a server may have moved. */
static void tell_offers(Networkd *networkd, const Links *links)
{
    for (size_t i = 0; i < networkd->links.count; i++) {
        const Link *before = &networkd->links.list[i], *now = links_find(links, before->name);
        if (before->servers[0] != '\0' && (!now || now->servers[0] == '\0'))
            tell_offer(networkd, before->name, "");
    }
    for (size_t i = 0; i < links->count; i++)
        if (links->list[i].servers[0] != '\0')
            tell_offer(networkd, links->list[i].name, links->list[i].servers);
}

static bool states_differ(const Links *a, const Links *b)
{
    if (a->count != b->count)
        return true;
    for (size_t i = 0; i < a->count; i++) {
        const Link *other = links_find(b, a->list[i].name);
        if (!other || !text_equal(a->list[i].states, other->states))
            return true;
    }
    return false;
}

/* Without memory it is as it was, until the next change. */
static void take(Networkd *networkd, Links *links, const char *states)
{
    uint64_t now = 0;

    (void) sd_event_now(networkd->event, CLOCK_MONOTONIC, &now);
    hold_in_transition(networkd, now, links);
    if (hold_missing(networkd, now, links) < 0)
        return;
    bool other = states_differ(&networkd->links, links) || !text_equal(states, networkd->states);
    uint64_t next = next_release(links);
    tell_offers(networkd, links);
    links_clear(&networkd->links);
    networkd->links = *links;
    *links = (Links) {0};
    (void) text_copy(networkd->states, sizeof(networkd->states), states);
    (void) sd_event_source_set_time(networkd->timer, next);
    (void) sd_event_source_set_enabled(networkd->timer, next != 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
    if (!networkd->present)
        networkd->handlers.on_provider(networkd->userdata, OFFER_NETWORKD, true);
    networkd->present = true;
    if (other)
        networkd->handlers.on_network_changed(networkd->userdata);
}

/* What it has offered stays for a while, and is told again when it is back. */
static void lose(Networkd *networkd)
{
    if (!networkd->present)
        return;
    networkd->present = false;
    links_clear(&networkd->links);
    networkd->states[0] = '\0';
    (void) sd_event_source_set_enabled(networkd->timer, SD_EVENT_OFF);
    networkd->handlers.on_provider(networkd->userdata, OFFER_NETWORKD, false);
}

static void look(void *userdata)
{
    Networkd *networkd = userdata;
    char buffer[4096], states[256];
    Links links = {0};
    DIR *directory = opendir(networkd->links_directory);

    if (!directory) {
        lose(networkd);
        return;
    }
    int r = read_links(networkd, directory, &links);
    closedir(directory);
    read_states(read_content(networkd->state_file, buffer, sizeof(buffer)), states, sizeof(states));
    if (r >= 0)
        take(networkd, &links, states);
    links_clear(&links);
}

static int on_timer(unused_ sd_event_source *source, unused_ uint64_t usec, void *userdata)
{
    look(userdata);
    return 0;
}

/* networkd writes another file first, and renames it. */
static bool is_file(const char *name)
{
    return name[0] != '.';
}

static int watch(Networkd *networkd)
{
    static const FolderWatchHandlers handlers = {.concerns = is_file, .on_changed = look};
    char *paths[] = {networkd->links_directory, networkd->directory, NULL};

    return folder_watch_new(networkd->event, paths, REST_USEC, LONGEST_USEC, &handlers, networkd,
                            &networkd->watch);
}

int networkd_new(sd_event *event, const char *directory, const NetworkdHandlers *handlers, void *userdata,
                 Networkd **ret)
{
    cleanup_(networkd_freep) Networkd *networkd = calloc(1, sizeof(*networkd));
    int r;

    if (!networkd)
        return -ENOMEM;
    networkd->event = sd_event_ref(event);
    networkd->handlers = *handlers;
    networkd->userdata = userdata;
    networkd->directory = strdup(directory);
    if (!networkd->directory || asprintf(&networkd->links_directory, "%s/links", directory) < 0 ||
        asprintf(&networkd->state_file, "%s/state", directory) < 0)
        return -ENOMEM;
    if ((r = sd_event_add_time(event, &networkd->timer, CLOCK_MONOTONIC, 0, ACCURACY, on_timer, networkd)) <
            0 ||
        (r = sd_event_source_set_enabled(networkd->timer, SD_EVENT_OFF)) < 0 || (r = watch(networkd)) < 0)
        return r;
    *ret = TAKE_PTR(networkd);
    return 0;
}

Networkd *networkd_free(Networkd *networkd)
{
    if (!networkd)
        return NULL;
    folder_watch_free(networkd->watch);
    sd_event_source_disable_unref(networkd->timer);
    links_clear(&networkd->links);
    free(networkd->directory);
    free(networkd->links_directory);
    free(networkd->state_file);
    sd_event_unref(networkd->event);
    free(networkd);
    return NULL;
}
