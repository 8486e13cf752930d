// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* absent -> (its name has an owner) -> asked for all of its objects -> listed, followed by signals
 *   ^                                                                   |
 *   +------------------------- the name has no owner <------------------+
 *
 * Signals from before the answer are older than what it says, and are let go. After a change some time passes
 * before it is told, so that a burst of signals is one piece of news; what has come out the same again is
 * none.
 *
 * Anybody on the bus may send us a signal that looks like one of these: only those of the owner of the name
 * count, and who that is is the bus driver's word. */

#include "bus/network-manager.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "base/text.h"
#include "bus/driver.h"
#include "bus/network-model.h"

#define SERVICE    "org.freedesktop.NetworkManager"
#define PATH       "/org/freedesktop/NetworkManager"
#define ROOT       "/org/freedesktop"
#define MANAGER    "org.freedesktop.DBus.ObjectManager"
#define PROPERTIES "org.freedesktop.DBus.Properties"

/* From the first change to the news of it. */
#define NEWS_USEC      50000
#define TIMER_ACCURACY 10000
/* From the end of its start to when it is taken to have told all that DHCP has to say: a device is activated
 * as soon as one of IPv4 and IPv6 is, and the other one has the 45 s of ipv4.dhcp-timeout. */
#define SETTLE_USEC    50000000
/* One that does not answer the question for all of its objects is asked again, later and later. */
#define RETRY_USEC_MIN 1000000
#define RETRY_USEC_MAX 64000000
#define MATCHES_MAX    12

/* Servers of an interface, as told. */
typedef struct Offer {
    char interface[INTERFACE_NAME_MAX];
    char *servers;
    bool seen; /* in the round that is running */
} Offer;

struct NetworkManager {
    sd_bus *connection; /* not owned: the owner of the connection owns us */
    const BusHandlers *handlers;
    void *userdata;
    sd_bus_slot *matches[MATCHES_MAX];
    size_t match_count;
    sd_bus_slot *call; /* the question that is open: who has the name, or what there is */
    sd_event_source *news, *retry, *settled;
    uint64_t retry_usec;
    char *owner; /* unique name; NULL: absent */
    bool listed; /* the model is what it says */
    NetworkModel *model;

    struct {
        NetworkState state;
        Offer *offers;
        size_t offer_count;
        bool settling;    /* that these are all offers is told soon, or has been */
        uint32_t changes; /* of the model */
    } told;
};

/* --- what is told --- */

static void tell_state(NetworkManager *manager, NetworkState state)
{
    if (state.connectivity == manager->told.state.connectivity &&
        state.metered == manager->told.state.metered)
        return;
    manager->told.state = state;
    manager->handlers->on_network_state(manager->userdata, &state);
}

static void tell_offer(NetworkManager *manager, const char *interface, const char *servers)
{
    OfferedServers offered = {.provider = OFFER_NETWORK_MANAGER, .servers = servers};

    (void) text_copy(offered.interface, sizeof(offered.interface), interface);
    manager->handlers->on_offered(manager->userdata, &offered);
}

static Offer *find_offer(NetworkManager *manager, const char *interface)
{
    for (size_t i = 0; i < manager->told.offer_count; i++)
        if (text_equal(manager->told.offers[i].interface, interface))
            return &manager->told.offers[i];
    return NULL;
}

/* NULL for lack of memory. */
static Offer *add_offer(NetworkManager *manager, const char *interface)
{
    Offer *grown = reallocarray(manager->told.offers, manager->told.offer_count + 1, sizeof(*grown));

    if (!grown)
        return NULL;
    manager->told.offers = grown;
    Offer *offer = &grown[manager->told.offer_count++];
    *offer = (Offer) {0};
    (void) text_copy(offer->interface, sizeof(offer->interface), interface);
    return offer;
}

/* What cannot be remembered is told again the next time. */
static void visit_offer(void *userdata, const char *interface)
{
    NetworkManager *manager = userdata;
    char servers[NETWORK_SERVERS_MAX];
    Offer *offer = find_offer(manager, interface);

    network_model_servers(manager->model, interface, servers);
    if (!offer)
        offer = add_offer(manager, interface);
    if (offer)
        offer->seen = true;
    if (offer && text_equal(offer->servers, servers))
        return;
    tell_offer(manager, interface, servers);
    if (offer) {
        free(offer->servers);
        offer->servers = strdup(servers);
    }
}

static void tell_offers(NetworkManager *manager)
{
    for (size_t i = 0; i < manager->told.offer_count; i++)
        manager->told.offers[i].seen = false;
    network_model_visit(manager->model, visit_offer, manager);
    for (size_t i = manager->told.offer_count; i > 0; i--) {
        Offer gone = manager->told.offers[i - 1];
        if (gone.seen)
            continue;
        manager->told.offers[i - 1] = manager->told.offers[--manager->told.offer_count];
        tell_offer(manager, gone.interface, "");
        free(gone.servers);
    }
}

static void forget_offers(NetworkManager *manager)
{
    for (size_t i = 0; i < manager->told.offer_count; i++)
        free(manager->told.offers[i].servers);
    free(manager->told.offers);
    manager->told.offers = NULL;
    manager->told.offer_count = 0;
}

static int on_settled(unused_ sd_event_source *source, unused_ uint64_t usec, void *userdata)
{
    NetworkManager *manager = userdata;

    manager->handlers->on_provider(manager->userdata, OFFER_NETWORK_MANAGER, true);
    return 0;
}

static void settle(NetworkManager *manager)
{
    manager->told.settling = true;
    (void) sd_event_source_set_time_relative(manager->settled, SETTLE_USEC);
    (void) sd_event_source_set_enabled(manager->settled, SD_EVENT_ONESHOT);
}

/* The state first: what is done because the network has changed is to know it. While NetworkManager starts,
 * devices that have been in use all the time are not activated yet: it is silent about them, which withdraws
 * nothing. */
static int on_news(unused_ sd_event_source *source, unused_ uint64_t usec, void *userdata)
{
    NetworkManager *manager = userdata;
    uint32_t changes = network_model_changes(manager->model);

    tell_state(manager, network_model_state(manager->model));
    tell_offers(manager);
    if (!manager->told.settling && !network_model_is_starting(manager->model))
        settle(manager);
    if (manager->told.changes != changes) {
        manager->told.changes = changes;
        manager->handlers->on_network_changed(manager->userdata);
    }
    return 0;
}

static void schedule_news(NetworkManager *manager)
{
    int enabled = SD_EVENT_OFF;

    if (sd_event_source_get_enabled(manager->news, &enabled) >= 0 && enabled != SD_EVENT_OFF)
        return;
    (void) sd_event_source_set_time_relative(manager->news, NEWS_USEC);
    (void) sd_event_source_set_enabled(manager->news, SD_EVENT_ONESHOT);
}

/* --- the list of its objects --- */

static void list(NetworkManager *manager);

static void retry_later(NetworkManager *manager)
{
    (void) sd_event_source_set_time_relative(manager->retry, manager->retry_usec);
    (void) sd_event_source_set_enabled(manager->retry, SD_EVENT_ONESHOT);
    manager->retry_usec = MIN(manager->retry_usec * 2, (uint64_t) RETRY_USEC_MAX);
}

static int on_retry(unused_ sd_event_source *source, unused_ uint64_t usec, void *userdata)
{
    list(userdata);
    return 0;
}

/* a{sa{sv}}: the interfaces of an object. */
static int read_interfaces(NetworkManager *manager, const char *path, sd_bus_message *message)
{
    int r = sd_bus_message_enter_container(message, 'a', "{sa{sv}}");

    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(message, 'e', "sa{sv}")) > 0) {
        const char *interface;
        if ((r = sd_bus_message_read(message, "s", &interface)) < 0 ||
            (r = network_model_read(manager->model, path, interface, false, message)) < 0 ||
            (r = sd_bus_message_exit_container(message)) < 0)
            return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int read_objects(NetworkManager *manager, sd_bus_message *message)
{
    int r = sd_bus_message_enter_container(message, 'a', "{oa{sa{sv}}}");

    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(message, 'e', "oa{sa{sv}}")) > 0) {
        const char *path;
        if ((r = sd_bus_message_read(message, "o", &path)) < 0 ||
            (r = read_interfaces(manager, path, message)) < 0 ||
            (r = sd_bus_message_exit_container(message)) < 0)
            return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int on_objects(sd_bus_message *reply, void *userdata, unused_ sd_bus_error *error)
{
    NetworkManager *manager = userdata;

    manager->call = sd_bus_slot_unref(manager->call);
    network_model_clear(manager->model);
    if (sd_bus_message_is_method_error(reply, NULL) || read_objects(manager, reply) < 0) {
        network_model_clear(manager->model);
        retry_later(manager);
        return 0;
    }
    manager->listed = true;
    manager->retry_usec = RETRY_USEC_MIN;
    schedule_news(manager);
    return 0;
}

/* Asked of the owner, not of the name: a question to the name could start a service. */
static int ask_for_objects(NetworkManager *manager)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *question = NULL;
    int r = sd_bus_message_new_method_call(manager->connection, &question, manager->owner, ROOT, MANAGER,
                                           "GetManagedObjects");

    if (r < 0 || (r = sd_bus_message_set_auto_start(question, false)) < 0)
        return r;
    return sd_bus_call_async(manager->connection, &manager->call, question, on_objects, manager, 0);
}

static void list(NetworkManager *manager)
{
    manager->call = sd_bus_slot_unref(manager->call);
    manager->listed = false;
    if (ask_for_objects(manager) < 0)
        retry_later(manager);
}

/* --- whether it is there --- */

static void vanish(NetworkManager *manager)
{
    if (!manager->owner)
        return;
    free(manager->owner);
    manager->owner = NULL;
    manager->call = sd_bus_slot_unref(manager->call);
    manager->listed = manager->told.settling = false;
    (void) sd_event_source_set_enabled(manager->news, SD_EVENT_OFF);
    (void) sd_event_source_set_enabled(manager->retry, SD_EVENT_OFF);
    (void) sd_event_source_set_enabled(manager->settled, SD_EVENT_OFF);
    network_model_clear(manager->model);
    forget_offers(manager);
    tell_state(manager, (NetworkState) {.connectivity = CONNECTIVITY_UNKNOWN});
    manager->handlers->on_provider(manager->userdata, OFFER_NETWORK_MANAGER, false);
}

static void set_owner(NetworkManager *manager, const char *owner)
{
    if (text_equal(manager->owner, owner))
        return;
    vanish(manager);
    if (owner[0] == '\0' || !(manager->owner = strdup(owner)))
        return;
    manager->retry_usec = RETRY_USEC_MIN;
    list(manager);
}

static int on_owner(sd_bus_message *reply, void *userdata, unused_ sd_bus_error *error)
{
    NetworkManager *manager = userdata;
    const char *owner;

    manager->call = sd_bus_slot_unref(manager->call);
    if (!sd_bus_message_is_method_error(reply, NULL) && sd_bus_message_read(reply, "s", &owner) > 0)
        set_owner(manager, owner);
    return 0;
}

static bool is_from(sd_bus_message *message, const char *sender)
{
    return sender && text_equal(sd_bus_message_get_sender(message), sender);
}

static int on_owner_changed(sd_bus_message *message, void *userdata, unused_ sd_bus_error *error)
{
    NetworkManager *manager = userdata;
    const char *name, *before, *now;

    if (is_from_driver(message) && sd_bus_message_read(message, "sss", &name, &before, &now) > 0 &&
        text_equal(name, SERVICE))
        set_owner(manager, now);
    return 0;
}

/* --- its signals --- */

/* It has been listed, and this is it. */
static bool is_news(const NetworkManager *manager, sd_bus_message *message)
{
    return manager->listed && is_from(message, manager->owner);
}

/* A message that cannot be read has been read in part, or memory is short: all is asked for anew. */
static void finish_signal(NetworkManager *manager, int result)
{
    if (result < 0) {
        manager->listed = false;
        retry_later(manager);
    } else {
        schedule_news(manager);
    }
}

static int on_properties_changed(sd_bus_message *message, void *userdata, unused_ sd_bus_error *error)
{
    NetworkManager *manager = userdata;
    const char *interface;

    if (!is_news(manager, message) || sd_bus_message_has_signature(message, "sa{sv}as") <= 0)
        return 0;
    int r = sd_bus_message_read(message, "s", &interface);
    if (r >= 0)
        r = network_model_read(manager->model, sd_bus_message_get_path(message), interface, true, message);
    finish_signal(manager, r);
    return 0;
}

static int on_interfaces_added(sd_bus_message *message, void *userdata, unused_ sd_bus_error *error)
{
    NetworkManager *manager = userdata;
    const char *path;

    if (!is_news(manager, message) || sd_bus_message_has_signature(message, "oa{sa{sv}}") <= 0)
        return 0;
    int r = sd_bus_message_read(message, "o", &path);
    if (r >= 0)
        r = read_interfaces(manager, path, message);
    finish_signal(manager, r);
    return 0;
}

static int on_interfaces_removed(sd_bus_message *message, void *userdata, unused_ sd_bus_error *error)
{
    NetworkManager *manager = userdata;
    const char *path, *interface;

    if (!is_news(manager, message) || sd_bus_message_has_signature(message, "oas") <= 0)
        return 0;
    int r = sd_bus_message_read(message, "o", &path);
    if (r >= 0)
        r = sd_bus_message_enter_container(message, 'a', "s");
    while (r >= 0 && (r = sd_bus_message_read(message, "s", &interface)) > 0)
        network_model_remove(manager->model, path, interface);
    finish_signal(manager, r);
    return 0;
}

static int on_state_changed(sd_bus_message *message, void *userdata, unused_ sd_bus_error *error)
{
    NetworkManager *manager = userdata;
    uint32_t state;

    if (!is_news(manager, message) || sd_bus_message_read(message, "u", &state) <= 0)
        return 0;
    network_model_set_state(manager->model, state);
    schedule_news(manager);
    return 0;
}

static int on_device_state_changed(sd_bus_message *message, void *userdata, unused_ sd_bus_error *error)
{
    NetworkManager *manager = userdata;
    uint32_t state, before, reason;

    if (!is_news(manager, message) || sd_bus_message_read(message, "uuu", &state, &before, &reason) <= 0)
        return 0;
    network_model_set_device_state(manager->model, sd_bus_message_get_path(message), state);
    schedule_news(manager);
    return 0;
}

/* --- life --- */

/* A bus that has no room for another match: it is without that one. Without a function for it sd-bus would
 * close the connection. */
static int on_match_installed(unused_ sd_bus_message *reply, unused_ void *userdata,
                              unused_ sd_bus_error *error)
{
    return 0;
}

static int add_matches(NetworkManager *manager)
{
    /* For PropertiesChanged each interface that is of interest has one: access points, which change all the
     * time, are none. */
    static const struct {
        const char *rule;
        sd_bus_message_handler_t handler;
    } rows[] = {
        {"sender='" BUS_DRIVER "',interface='" BUS_DRIVER "',member='NameOwnerChanged',arg0='" SERVICE "'",
         on_owner_changed},
        {"sender='" SERVICE "',path='" ROOT "',interface='" MANAGER "',member='InterfacesAdded'",
         on_interfaces_added},
        {"sender='" SERVICE "',path='" ROOT "',interface='" MANAGER "',member='InterfacesRemoved'",
         on_interfaces_removed},
        {"sender='" SERVICE "',path='" PATH "',interface='" SERVICE "',member='StateChanged'",
         on_state_changed},
        {"sender='" SERVICE "',path_namespace='" PATH "',interface='" SERVICE
         ".Device',member='StateChanged'",
         on_device_state_changed},
#define CHANGED(interface)                                                                                   \
    {"sender='" SERVICE "',path_namespace='" PATH "',interface='" PROPERTIES                                 \
     "',member='PropertiesChanged',arg0='" interface "'",                                                    \
     on_properties_changed}
        CHANGED(SERVICE),
        CHANGED(SERVICE ".Device"),
        CHANGED(SERVICE ".DHCP4Config"),
        CHANGED(SERVICE ".DHCP6Config"),
        CHANGED(SERVICE ".DnsManager"),
#undef CHANGED
    };
    static_assert(ELEMENTS(rows) <= MATCHES_MAX, "room for each");

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char rule[320];
        Text text = TEXT(rule);
        text_append(&text, "type='signal',");
        text_append(&text, rows[i].rule);
        int r = sd_bus_add_match_async(manager->connection, &manager->matches[i], rule, rows[i].handler,
                                       on_match_installed, manager);
        if (r < 0)
            return r;
        manager->match_count = i + 1;
    }
    return 0;
}

static int add_timer(NetworkManager *manager, sd_event_time_handler_t handler, sd_event_source **ret)
{
    int r = sd_event_add_time(sd_bus_get_event(manager->connection), ret, CLOCK_MONOTONIC, 0, TIMER_ACCURACY,
                              handler, manager);

    return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

static int add_timers(NetworkManager *manager)
{
    int r = add_timer(manager, on_news, &manager->news);

    if (r >= 0)
        r = add_timer(manager, on_retry, &manager->retry);
    return r < 0 ? r : add_timer(manager, on_settled, &manager->settled);
}

int network_manager_new(sd_bus *connection, const BusHandlers *handlers, void *userdata, NetworkManager **ret)
{
    cleanup_(network_manager_freep) NetworkManager *manager = calloc(1, sizeof(*manager));

    if (!manager)
        return -ENOMEM;
    manager->connection = connection;
    manager->handlers = handlers;
    manager->userdata = userdata;
    manager->retry_usec = RETRY_USEC_MIN;
    int r = network_model_new(&manager->model);
    if (r < 0 || (r = add_timers(manager)) < 0 || (r = add_matches(manager)) < 0)
        return r;
    /* After the matches: a change between the answer and the first signal cannot be missed. */
    r = sd_bus_call_method_async(connection, &manager->call, BUS_DRIVER, BUS_DRIVER_PATH, BUS_DRIVER,
                                 "GetNameOwner", on_owner, manager, "s", SERVICE);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(manager);
    return 0;
}

void network_manager_on_disconnected(NetworkManager *manager)
{
    if (manager)
        vanish(manager);
}

NetworkManager *network_manager_free(NetworkManager *manager)
{
    if (!manager)
        return NULL;
    for (size_t i = 0; i < manager->match_count; i++)
        sd_bus_slot_unref(manager->matches[i]);
    sd_bus_slot_unref(manager->call);
    sd_event_source_disable_unref(manager->news);
    sd_event_source_disable_unref(manager->retry);
    sd_event_source_disable_unref(manager->settled);
    forget_offers(manager);
    network_model_free(manager->model);
    free(manager->owner);
    free(manager);
    return NULL;
}
