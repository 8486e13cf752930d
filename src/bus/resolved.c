// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* Questions to systemd-resolved.
 *
 * It is asked while its name has an owner, which the bus driver tells. When the owner changes, each open
 * question is given back at once: nobody waits for an answer that may not come, and an answer that comes
 * nevertheless has no one to go to. So is an answer that does not look like one. What resolved itself refuses
 * is an answer.
 *
 * Anybody on the bus may send us a signal that looks like one of resolved's: only those of the owner count.
 */

#include "bus/resolved.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"
#include "bus/driver.h"

#define SERVICE      "org.freedesktop.resolve1"
#define PATH         "/org/freedesktop/resolve1"
#define MANAGER      SERVICE ".Manager"
#define SERVICE_TYPE "_ntp._udp"

/* It gives up after 120 s by itself. */
#define PATIENCE_USEC UINT64_C(130000000)
/* Further questions are for others. */
#define CALLS_MAX     64

/* Bits of its flags. */
#define FLAG_NO_TXT      (UINT64_C(1) << 6)
#define FLAG_NO_ADDRESS  (UINT64_C(1) << 7)
#define FLAG_NO_SEARCH   (UINT64_C(1) << 8)
#define FLAG_NO_VALIDATE (UINT64_C(1) << 10)
#define FLAG_NO_CACHE    (UINT64_C(1) << 12)

typedef struct Call Call;

/* A host of a service, which is looked up for the question. */
typedef struct HostCall {
    Call *call;
    sd_bus_slot *slot;
} HostCall;

struct Call {
    Resolved *resolved;
    uint64_t ticket;
    LookupQuestion question;
    sd_bus_slot *slot;
    LookupAnswer answer; /* so far */
    LookupRecords records;
    HostCall hosts[LOOKUP_RECORDS_MAX]; /* of the records */
    size_t missing;                     /* hosts that have not been found or refused yet */
    Call *next;
};

struct Resolved {
    sd_bus *connection;
    ResolvedHandlers handlers;
    void *userdata;
    sd_bus_slot *owner_match, *changes_match, *owner_call;
    char *owner; /* unique name; NULL: it is not there */
    Call *calls;
    size_t call_count;
};

/* --- questions and answers --- */

static void message_unrefp(sd_bus_message **message)
{
    sd_bus_message_unref(*message);
}

static int32_t family_of(const LookupQuestion *question)
{
    static const int families[] = {[IP_UNSPEC] = AF_UNSPEC, [IP_V4] = AF_INET, [IP_V6] = AF_INET6};

    return families[question->family];
}

static uint64_t flags_of(const LookupQuestion *question)
{
    return (question->trusted_time ? 0 : FLAG_NO_VALIDATE) | (question->uncached ? FLAG_NO_CACHE : 0);
}

static Call *call_free(Call *call)
{
    Call **link = &call->resolved->calls;

    while (*link && *link != call)
        link = &(*link)->next;
    if (*link) {
        *link = call->next;
        call->resolved->call_count--;
    }
    sd_bus_slot_unref(call->slot);
    for (size_t i = 0; i < call->records.count; i++)
        sd_bus_slot_unref(call->hosts[i].slot);
    free(call);
    return NULL;
}

/* The call is gone before anybody hears of it: who does may ask again at once. */
static void finish(Call *call, const LookupAnswer *answer)
{
    Resolved *resolved = call->resolved;
    uint64_t ticket = call->ticket;

    call_free(call);
    resolved->handlers.on_name(resolved->userdata, ticket, answer);
}

static void give_back_all(Resolved *resolved)
{
    while (resolved->calls)
        finish(resolved->calls, NULL);
}

/* Bytes of an address, which only make one when they are as many as its family has. */
static bool make_address(int32_t interface, int32_t family, const uint8_t *bytes, size_t size, IpAddress *ret)
{
    IpAddress address = {0};

    if (family == AF_INET && size == 4)
        address.family = IP_V4;
    else if (family == AF_INET6 && size == 16)
        address.family = IP_V6;
    else
        return false;
    memcpy(address.bytes, bytes, size);
    if (address.family == IP_V6 && bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80 && interface > 0)
        address.scope = (uint32_t) interface;
    *ret = address;
    return true;
}

/* a(iiay) into the answer, as places like `place`. Negative: not of that form. */
static int read_addresses(sd_bus_message *reply, IpFamily wanted, LookupPlace place, LookupAnswer *answer)
{
    int r = sd_bus_message_enter_container(reply, 'a', "(iiay)");

    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(reply, 'r', "iiay")) > 0) {
        int32_t interface, family;
        const void *bytes;
        size_t size;

        if ((r = sd_bus_message_read(reply, "ii", &interface, &family)) < 0 ||
            (r = sd_bus_message_read_array(reply, 'y', &bytes, &size)) < 0 ||
            (r = sd_bus_message_exit_container(reply)) < 0)
            return r;
        if (make_address(interface, family, bytes, size, &place.endpoint.address) &&
            (wanted == IP_UNSPEC || place.endpoint.address.family == wanted))
            lookup_answer_add(answer, &place);
    }
    return r < 0 ? r : sd_bus_message_exit_container(reply);
}

/* a(qqqsa(iiay)s): priority, weight, port, host, and its addresses and canonical name, which were not asked
 * for. */
static int read_records(sd_bus_message *reply, LookupRecords *records)
{
    int r = sd_bus_message_enter_container(reply, 'a', "(qqqsa(iiay)s)");

    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(reply, 'r', "qqqsa(iiay)s")) > 0) {
        uint16_t priority, weight, port;
        const char *host;

        if ((r = sd_bus_message_read(reply, "qqqs", &priority, &weight, &port, &host)) < 0 ||
            (r = sd_bus_message_skip(reply, "a(iiay)s")) < 0 ||
            (r = sd_bus_message_exit_container(reply)) < 0)
            return r;
        lookup_records_add(records, priority, weight, port, host);
    }
    return r < 0 ? r : sd_bus_message_exit_container(reply);
}

/* What it refuses for reasons of its own is an answer; errors of the bus say that it was not asked at all. */
static bool is_refusal(const sd_bus_error *error)
{
    return error->name && strncmp(error->name, SERVICE ".", strlen(SERVICE ".")) == 0;
}

static LookupVerdict verdict_of(const sd_bus_error *error)
{
    return sd_bus_error_has_name(error, SERVICE ".DnssecFailed") ||
                   sd_bus_error_has_name(error, SERVICE ".NoTrustAnchor")
               ? LOOKUP_BOGUS
               : LOOKUP_NOT_FOUND;
}

/* Puts the addresses of a reply into the answer, or why there are none; of a service, those of one host are
 * enough. Negative: this is no answer. */
static int take_addresses(Call *call, sd_bus_message *reply, LookupPlace place)
{
    const sd_bus_error *error = sd_bus_message_get_error(reply);

    if (!error)
        return read_addresses(reply, call->question.family, place, &call->answer);
    if (!is_refusal(error))
        return -ECONNRESET;
    if (call->answer.verdict == LOOKUP_NOT_FOUND)
        call->answer.verdict = verdict_of(error);
    return 0;
}

static void finish_with_answer(Call *call)
{
    LookupAnswer answer = call->answer;

    finish(call, &answer);
}

static int on_host(sd_bus_message *reply, void *userdata, unused_ sd_bus_error *error)
{
    HostCall *host = userdata;
    Call *call = host->call;
    LookupPlace place = lookup_record_place(&call->records, (size_t) (host - call->hosts), &(IpAddress) {0});

    host->slot = sd_bus_slot_unref(host->slot);
    if (take_addresses(call, reply, place) < 0)
        finish(call, NULL);
    else if (--call->missing == 0)
        finish_with_answer(call);
    return 0;
}

static int on_hostname(sd_bus_message *reply, void *userdata, unused_ sd_bus_error *error)
{
    Call *call = userdata;

    if (take_addresses(call, reply, (LookupPlace) {0}) < 0)
        finish(call, NULL);
    else
        finish_with_answer(call);
    return 0;
}

static int new_message(Resolved *resolved, const char *member, sd_bus_message **ret)
{
    int r = sd_bus_message_new_method_call(resolved->connection, ret, SERVICE, PATH, MANAGER, member);

    return r < 0 ? r : sd_bus_message_set_auto_start(*ret, false);
}

static int ask_host(const Call *call, const char *name, uint64_t flags, sd_bus_slot **ret,
                    sd_bus_message_handler_t handler, void *userdata)
{
    cleanup_(message_unrefp) sd_bus_message *message = NULL;
    int r = new_message(call->resolved, "ResolveHostname", &message);

    if (r >= 0)
        r = sd_bus_message_append(message, "isit", 0, name, family_of(&call->question),
                                  flags | flags_of(&call->question));
    if (r >= 0)
        r = sd_bus_call_async(call->resolved->connection, ret, message, handler, userdata, PATIENCE_USEC);
    return r;
}

static int ask_hosts(Call *call)
{
    int r = 0;

    call->missing = call->records.count;
    for (size_t i = 0; i < call->records.count && r >= 0; i++) {
        call->hosts[i].call = call;
        r = ask_host(call, call->records.items[i].host, FLAG_NO_SEARCH, &call->hosts[i].slot, on_host,
                     &call->hosts[i]);
    }
    return r;
}

static int on_service(sd_bus_message *reply, void *userdata, unused_ sd_bus_error *ret_error)
{
    Call *call = userdata;
    const sd_bus_error *error = sd_bus_message_get_error(reply);

    if (error && is_refusal(error))
        call->answer.verdict = verdict_of(error);
    else if (error || read_records(reply, &call->records) < 0 || ask_hosts(call) < 0) {
        finish(call, NULL);
        return 0;
    }
    if (call->records.count == 0)
        finish_with_answer(call);
    return 0;
}

/* Without addresses: resolved looks for them by way of the interface on which the records came in, where
 * nobody answers if its servers belong to no interface. */
static int ask_service(Call *call)
{
    cleanup_(message_unrefp) sd_bus_message *message = NULL;
    int r = new_message(call->resolved, "ResolveService", &message);

    if (r >= 0)
        r = sd_bus_message_append(message, "isssit", 0, "", SERVICE_TYPE,
                                  call->question.name + strlen(LOOKUP_SERVICE_PREFIX),
                                  family_of(&call->question),
                                  FLAG_NO_TXT | FLAG_NO_ADDRESS | flags_of(&call->question));
    if (r >= 0)
        r = sd_bus_call_async(call->resolved->connection, &call->slot, message, on_service, call,
                              PATIENCE_USEC);
    return r;
}

bool resolved_ask(Resolved *resolved, uint64_t ticket, const LookupQuestion *question)
{
    if (!resolved->owner || resolved->call_count >= CALLS_MAX)
        return false;
    Call *call = calloc(1, sizeof(*call));
    if (!call)
        return false;
    call->resolved = resolved;
    call->ticket = ticket;
    call->question = *question;
    call->next = resolved->calls;
    resolved->calls = call;
    resolved->call_count++;
    int r = question->service ? ask_service(call)
                              : ask_host(call, question->name, 0, &call->slot, on_hostname, call);
    if (r < 0)
        call = call_free(call);
    return call;
}

/* --- coming and going --- */

/* NULL or "": it is not there. */
static void set_owner(Resolved *resolved, const char *owner)
{
    if (text_equal(owner, ""))
        owner = NULL;
    if (text_equal(owner, resolved->owner))
        return;
    free(resolved->owner);
    resolved->owner = owner ? strdup(owner) : NULL;
    give_back_all(resolved);
    if (resolved->owner)
        resolved->handlers.on_names_changed(resolved->userdata);
}

static int on_owner_changed(sd_bus_message *signal, void *userdata, unused_ sd_bus_error *error)
{
    Resolved *resolved = userdata;
    const char *name, *previous, *owner;

    if (!is_from_driver(signal) || sd_bus_message_read(signal, "sss", &name, &previous, &owner) <= 0 ||
        !text_equal(name, SERVICE))
        return 0;
    resolved->owner_call = sd_bus_slot_unref(resolved->owner_call); /* what it will say is older */
    set_owner(resolved, owner);
    return 0;
}

static int on_owner_known(sd_bus_message *reply, void *userdata, unused_ sd_bus_error *error)
{
    Resolved *resolved = userdata;
    const char *owner = NULL;

    if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "s", &owner) < 0)
        owner = NULL; /* nobody has the name, as a rule */
    set_owner(resolved, owner);
    return 0;
}

/* Whether a list of names has one that says whom it asks, of all links together. */
static int lists_servers(sd_bus_message *signal, const char *contents, bool *ret)
{
    bool dictionary = contents[0] == '{';
    const char *name;
    int r = sd_bus_message_enter_container(signal, 'a', contents);

    if (r < 0)
        return r;
    while ((r = dictionary ? sd_bus_message_enter_container(signal, 'e', "sv") : 1) > 0 &&
           (r = sd_bus_message_read(signal, "s", &name)) > 0) {
        *ret |= text_equal(name, "DNS") || text_equal(name, "DNSEx");
        if (dictionary &&
            ((r = sd_bus_message_skip(signal, "v")) < 0 || (r = sd_bus_message_exit_container(signal)) < 0))
            return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(signal);
}

static int on_properties_changed(sd_bus_message *signal, void *userdata, unused_ sd_bus_error *error)
{
    Resolved *resolved = userdata;
    bool news = false;

    if (!resolved->owner || !text_equal(sd_bus_message_get_sender(signal), resolved->owner) ||
        sd_bus_message_skip(signal, "s") < 0 || lists_servers(signal, "{sv}", &news) < 0 ||
        lists_servers(signal, "s", &news) < 0)
        return 0;
    if (news)
        resolved->handlers.on_names_changed(resolved->userdata);
    return 0;
}

/* First to listen, then to ask: nothing is missed in between. */
static int watch(Resolved *resolved)
{
    int r = sd_bus_add_match_async(resolved->connection, &resolved->owner_match,
                                   "type='signal',sender='" BUS_DRIVER "',path='" BUS_DRIVER_PATH "',"
                                   "interface='" BUS_DRIVER "',member='NameOwnerChanged',arg0='" SERVICE "'",
                                   on_owner_changed, NULL, resolved);

    if (r >= 0)
        r = sd_bus_add_match_async(resolved->connection, &resolved->changes_match,
                                   "type='signal',sender='" SERVICE "',path='" PATH "',"
                                   "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged'",
                                   on_properties_changed, NULL, resolved);
    if (r >= 0)
        r = sd_bus_call_method_async(resolved->connection, &resolved->owner_call, BUS_DRIVER, BUS_DRIVER_PATH,
                                     BUS_DRIVER, "GetNameOwner", on_owner_known, resolved, "s", SERVICE);
    return r;
}

int resolved_new(sd_bus *connection, const ResolvedHandlers *handlers, void *userdata, Resolved **ret)
{
    cleanup_(resolved_freep) Resolved *resolved = calloc(1, sizeof(*resolved));

    if (!resolved)
        return -ENOMEM;
    resolved->connection = connection;
    resolved->handlers = *handlers;
    resolved->userdata = userdata;
    int r = watch(resolved);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(resolved);
    return 0;
}

Resolved *resolved_free(Resolved *resolved)
{
    if (!resolved)
        return NULL;
    free(resolved->owner);
    resolved->owner = NULL; /* what is given back is not asked again here */
    give_back_all(resolved);
    sd_bus_slot_unref(resolved->owner_match);
    sd_bus_slot_unref(resolved->changes_match);
    sd_bus_slot_unref(resolved->owner_call);
    free(resolved);
    return NULL;
}
