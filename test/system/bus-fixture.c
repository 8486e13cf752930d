// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* A mock of the daemon behind the real bus objects: a Service of fixed values that keeps no time. It shows
 * how the objects, their signals and the authorization behave, with every value known and every event at hand
 * when the test wants it. What the real daemon says is tested with the real daemon.
 *
 * Standard output tells each command that was applied, each notice of the bus, and what is heard of networks.
 * Each line of standard input is an event: "sample NAME", "select NAME", "state NAME", "sync", "lose", "step
 * SECONDS", "jump SECONDS", "add NAME", "figures" (no event: a value for what `tracking` prints), "leap",
 * "offset SECONDS" (no event: what is still to be slewed), "files" (configuration read again). */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/text.h"
#include "bus/bus.h"

#define SOURCES_MAX 40
/* More than one answer holds. */
#define CLIENTS     1500

typedef struct World {
    Bus *bus;
    sd_event *event;
    ClockReport clock;
    SourceReport sources[SOURCES_MAX]; /* id 0: free */
    size_t count;
    uint32_t last_id;
    size_t files;
    LocalConfig local;
} World;

static SourceReport *find_id(World *world, SourceId id)
{
    for (size_t i = 0; i < world->count; i++)
        if (source_id_equal(world->sources[i].id, id))
            return &world->sources[i];
    return NULL;
}

static SourceReport *find_name(World *world, const char *name)
{
    for (size_t i = 0; i < world->count; i++)
        if (strcmp(world->sources[i].name, name) == 0)
            return &world->sources[i];
    return NULL;
}

static void emit(World *world, EventKind kind, SourceId source, double value)
{
    Event event = {.kind = kind, .source = source, .value = value, .leap = LEAP_INSERT};

    if (world->bus)
        bus_on_event(world->bus, &event);
}

static void say(const char *line)
{
    puts(line);
    fflush(stdout);
}

/* --- Service --- */

static void on_info(void *userdata, ServiceInfo *ret)
{
    static const char *const features[] = {"ntp", "ipv6", NULL};
    static const char *const files[] = {"/etc/timeball/timeball.conf", "/etc/timeball/conf.d/a.conf", NULL};
    static const char *const one_file[] = {"/etc/timeball/timeball.conf", NULL};
    World *world = userdata;

    *ret = (ServiceInfo) {.version = "0",
                          .features = features,
                          .configuration_files = world->files > 0 ? files : one_file,
                          .start_usec = 1000000};
}

static void on_clock(void *userdata, ClockReport *ret)
{
    *ret = ((World *) userdata)->clock;
}

static void on_activity(void *userdata, ActivityReport *ret)
{
    World *world = userdata;

    *ret = (ActivityReport) {0};
    for (size_t i = 0; i < world->count; i++)
        *(world->sources[i].online ? &ret->online : &ret->offline) += 1;
}

static size_t on_sources(void *userdata, SourceId *ret, size_t max)
{
    World *world = userdata;

    for (size_t i = 0; i < world->count && i < max; i++)
        ret[i] = world->sources[i].id;
    return world->count;
}

static bool on_source(void *userdata, SourceId id, SourceReport *ret)
{
    const SourceReport *source = find_id(userdata, id);

    if (source)
        *ret = *source;
    return source;
}

static bool on_selection(void *userdata, SourceId id, SelectionReport *ret)
{
    const SourceReport *source = find_id(userdata, id);

    if (source)
        *ret = (SelectionReport) {.id = id,
                                  .state = source->state,
                                  .configured.prefer = true,
                                  .effective.prefer = true,
                                  .effective.trust = true,
                                  .since_sample = source->since_sample,
                                  .score = 1,
                                  .low_limit = -0.25,
                                  .high_limit = 0.5,
                                  .root_distance = 0.0625};
    return source;
}

static bool on_ntp(void *userdata, SourceId id, NtpReport *ret)
{
    const SourceReport *source = find_id(userdata, id);

    if (source)
        *ret = (NtpReport) {.id = id,
                            .remote = source->remote,
                            .valid = true,
                            .version = 4,
                            .mode = 4,
                            .stratum = 1,
                            .poll = 6,
                            .precision = -20,
                            .reference_id = 0x47505300,
                            .reference_time = {INT64_C(1600000000) * NSEC_PER_SEC},
                            .offset = 0.125,
                            .tests = TEST_1 | TEST_2 | TEST_3 | TEST_D,
                            .transmit_origin = TIMESTAMP_KERNEL,
                            .sent = source->samples,
                            .verdicts[PACKET_GOOD] = 7};
    return source;
}

static bool on_authentication(void *userdata, SourceId id, AuthenticationReport *ret)
{
    const SourceReport *source = find_id(userdata, id);

    if (source)
        *ret = (AuthenticationReport) {.mode = AUTHENTICATION_SYMMETRIC,
                                       .key = 5,
                                       .has_key = true,
                                       .info = {.type = KEY_TYPE_AES128, .bits = 128, .mac_length = 16}};
    return source;
}

static bool on_explain(void *userdata, SourceId id, Explanation *ret)
{
    const SourceReport *source = find_id(userdata, id);

    if (source)
        *ret = (Explanation) {.source = *source,
                              .limit = 3,
                              .value = NAN,
                              .agreeing = 2,
                              .candidates = 3,
                              .majority_low = -0.001,
                              .majority_high = 0.001};
    return source;
}

static void on_local(void *userdata, LocalReport *ret)
{
    *ret = (LocalReport) {.config = ((World *) userdata)->local, .active = true};
}

static void on_server(void *userdata, ServerReport *ret)
{
    (void) userdata;
    *ret = (ServerReport) {.listening = true,
                           .logs_clients = true,
                           .received = UINT64_C(1) << 40,
                           .dropped = 2,
                           .authenticated = 12,
                           .log_dropped = 3,
                           .interleaved = 4,
                           .exchanges = 5,
                           .exchanges_span = 13.2,
                           .clients = CLIENTS,
                           .failed = 4,
                           .verdicts[SERVER_ANSWERED] = 5,
                           .receive_stamps = {6, 7, 8},
                           .transmit_stamps = {9, 10, 11}};
}

static void on_key_server(void *userdata, KeyServerReport *ret)
{
    (void) userdata;
    *ret = (KeyServerReport) {.state = KEY_SERVER_LISTENING,
                              .accepted = 14,
                              .dropped = 15,
                              .verdicts[KEYS_GIVEN] = 16,
                              .certificate_end = {NSEC_PER_SEC}};
}

static bool on_allows(void *userdata, const IpAddress *address)
{
    (void) userdata;
    return address->family == IP_V4;
}

/* 192.0.2.1 has all there is to tell, the others are new. */
static bool on_next_client(void *userdata, uint64_t *position, ClientReport *ret)
{
    (void) userdata;
    if (*position >= CLIENTS)
        return false;
    *ret = (ClientReport) {.address = {.family = IP_V4,
                                       .bytes = {192, 0, (uint8_t) (2 + ++*position / 256),
                                                 (uint8_t) (*position % 256)}},
                           .received = *position == 1 ? 1000000 : 1,
                           .dropped = *position == 1 ? 12345 : 0,
                           .interval = *position == 1 ? -5 : CLIENT_INTERVAL_UNKNOWN,
                           .limited_interval = *position == 1 ? 6 : CLIENT_INTERVAL_UNKNOWN,
                           .since_last = *position == 3 ? -1 : 1.5,
                           .keys_received = *position <= 3 ? 5 : 0,
                           .keys_dropped = *position <= 3 ? 2 : 0,
                           .keys_interval = *position == 1 ? 7 : CLIENT_INTERVAL_UNKNOWN,
                           .keys_since_last = *position <= 3 ? 90 : -1};
    return true;
}

static void on_manual(void *userdata, ManualReport *ret)
{
    const World *world = userdata;

    *ret = (ManualReport) {.enabled = true, .count = 1};
    ret->entries[0] = (ManualEntryReport) {.time = {world->clock.reference_time.ns},
                                           .slewed = 0.25,
                                           .original = 4.5,
                                           .residual = -0.125};
}

static SourceId add_source(World *world, const char *name)
{
    SourceReport *source = &world->sources[world->count++];

    *source = (SourceReport) {.id = {++world->last_id},
                              .remote = {.port = 123},
                              .state = STATE_MISSING_SAMPLES,
                              .online = true,
                              .poll = 6,
                              .since_sample = -1,
                              .last_receive = COOKED_UNSET,
                              .skew = 2000e-6};
    text_copy(source->name, sizeof(source->name), name);
    if (!ip_address_parse(name, &source->remote.address))
        source->resolving = true;
    emit(world, EVENT_SOURCE_ADDED, source->id, 0);
    return source->id;
}

static void remove_source(World *world, SourceReport *source)
{
    SourceId id = source->id;

    *source = world->sources[--world->count];
    emit(world, EVENT_SOURCE_REMOVED, id, 0);
}

static CommandResult add_command(World *world, const Command *command, CommandReply *ret)
{
    if (find_name(world, command->add.name))
        return COMMAND_EXISTS;
    if (world->count == SOURCES_MAX)
        return COMMAND_TOO_MANY;
    ret->source = add_source(world, command->add.name);
    return COMMAND_OK;
}

static CommandResult apply(World *world, const Command *command, CommandReply *ret)
{
    SourceReport *source = find_id(world, command->sources.id);

    if (command->sources.id.value != 0 && !source)
        return COMMAND_NO_SOURCE;
    ret->count = source ? 1 : (uint32_t) world->count;
    if (command->kind == COMMAND_ADD_SOURCE)
        return add_command(world, command, ret);
    if (command->kind == COMMAND_SET_LOCAL) {
        world->local = command->local;
        emit(world, EVENT_CLOCK_UPDATED, (SourceId) {0}, 0);
    }
    if (command->kind == COMMAND_REMOVE_SOURCE)
        remove_source(world, source);
    if (command->kind == COMMAND_SET_TIME) {
        ret->offset = 4.5;
        ret->frequency_change = 1e-6;
        ret->frequency = -2e-6;
    }
    if (command->kind == COMMAND_DELETE_MANUAL && command->entry > 0)
        return COMMAND_NO_ENTRY;
    if (command->kind == COMMAND_MAKE_STEP)
        emit(world, EVENT_STEPPED, (SourceId) {0}, world->clock.system_offset);
    if (command->kind == COMMAND_RELOAD && world->files == 0) {
        text_copy(ret->detail, sizeof(ret->detail), "line 3: 100%s wrong %n");
        return COMMAND_CONFIG;
    }
    return COMMAND_OK;
}

static CommandResult on_apply(void *userdata, const Command *command, CommandReply *ret)
{
    CommandResult result = apply(userdata, command, ret);
    char line[128];
    Text text = TEXT(line);

    text_append_format(&text, "applied %s: %s", command_info(command->kind)->name,
                       command_result_name(result));
    say(line);
    return result;
}

static CommandResult on_check_nts(void *userdata, const NtsCheckRequest *request, NtsCheckDone done,
                                  void *done_userdata, CommandReply *ret, NtsCheck **ret_check)
{
    (void) userdata, (void) request, (void) done, (void) done_userdata, (void) ret, (void) ret_check;
    say("applied nts-check: not-enabled"); /* there is no network behind this */
    return COMMAND_NOT_ENABLED;
}

static void on_cancel_nts_check(void *userdata, NtsCheck *check)
{
    (void) userdata, (void) check;
}

static const ServiceMethods methods = {
    .info = on_info,
    .clock = on_clock,
    .activity = on_activity,
    .sources = on_sources,
    .source = on_source,
    .selection = on_selection,
    .ntp = on_ntp,
    .authentication = on_authentication,
    .explain = on_explain,
    .local = on_local,
    .server = on_server,
    .key_server = on_key_server,
    .allows = on_allows,
    .next_client = on_next_client,
    .manual = on_manual,
    .apply = on_apply,
    .check_nts = on_check_nts,
    .cancel_nts_check = on_cancel_nts_check,
};

/* --- Events by hand --- */

static void set_synchronized(World *world, bool synchronized)
{
    world->clock.synchronized = synchronized;
    world->clock.reason = synchronized ? CLOCK_SYNCHRONIZED : CLOCK_NO_MAJORITY;
    world->clock.stratum = synchronized ? 2 : 0;
    world->clock.reference_id = synchronized ? 0xc000020b : 0;
    world->clock.reference_source = synchronized ? world->sources[0].id : (SourceId) {0};
    emit(world, synchronized ? EVENT_SYNCHRONIZED : EVENT_UNSYNCHRONIZED, (SourceId) {0}, 0);
}

/* Every sign is a correction: our clock is slow, and runs fast. */
static void set_figures(ClockReport *clock)
{
    clock->reference_address.family = IP_V4;
    memcpy(clock->reference_address.bytes, (uint8_t[]) {192, 0, 2, 11}, 4);
    clock->reference_time = (CookedTime) {INT64_C(1700000000123456000)};
    clock->system_offset = 0.5;
    clock->last_offset = 0.25;
    clock->rms_offset = 0.125;
    clock->frequency = -12.5e-6;
    clock->residual_frequency = -0.5e-6;
    clock->root_delay = 0.0625;
    clock->root_dispersion = 0.03125;
    clock->update_interval = 64.5;
    clock->leap = LEAP_INSERT;
}

static void on_source_line(World *world, const char *word, SourceReport *source)
{
    if (strcmp(word, "sample") == 0) {
        source->samples++;
        source->measured_offset += 0.001;
        for (int i = 0; i < 5; i++) /* one sample causes several */
            emit(world, EVENT_SOURCE_CHANGED, source->id, 0);
    } else if (strcmp(word, "select") == 0) {
        source->state = STATE_SELECTED;
        emit(world, EVENT_SELECTED, source->id, 0);
    } else if (strcmp(word, "state") == 0) {
        source->state = STATE_FALSETICKER;
        emit(world, EVENT_CLOCK_UPDATED, (SourceId) {0}, 0);
    }
}

static void on_line(World *world, char *line)
{
    char *argument = strchr(line, ' ');
    double number = 0;

    if (argument)
        *argument++ = '\0';
    SourceReport *source = argument ? find_name(world, argument) : NULL;
    bool is_number = argument && text_to_double(argument, &number);

    if (source)
        on_source_line(world, line, source);
    else if (argument && strcmp(line, "add") == 0)
        add_source(world, argument);
    else if (strcmp(line, "figures") == 0)
        set_figures(&world->clock);
    else if (strcmp(line, "sync") == 0 || strcmp(line, "lose") == 0)
        set_synchronized(world, line[0] == 's');
    else if (is_number && strcmp(line, "step") == 0)
        emit(world, EVENT_STEPPED, (SourceId) {0}, number);
    else if (is_number && strcmp(line, "jump") == 0)
        emit(world, EVENT_DISRUPTED, (SourceId) {0}, number);
    else if (is_number && strcmp(line, "offset") == 0)
        world->clock.system_offset = number;
    else if (strcmp(line, "leap") == 0)
        emit(world, EVENT_LEAP_PENDING, (SourceId) {0}, 0);
    else if (strcmp(line, "files") == 0) {
        world->files = 1;
        bus_on_configuration_changed(world->bus);
    } else
        say("what?");
}

static int on_input(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    World *world = userdata;
    char buffer[4096];
    ssize_t length = read(fd, buffer, sizeof(buffer) - 1);

    (void) source;
    (void) revents;
    if (length <= 0)
        return sd_event_exit(world->event, 0);
    buffer[length] = '\0';
    for (char *rest = buffer, *line; (line = strsep(&rest, "\n"));)
        if (line[0] != '\0') {
            on_line(world, line);
            say("done");
        }
    return 0;
}

static void on_notice(void *userdata, BusNotice notice, int error)
{
    static const char *const names[] = {"bus connected", "bus unavailable", "bus lost", "bus name refused"};

    (void) userdata;
    (void) error;
    say(names[notice]);
}

/* --- What is heard of networks --- */

static void on_network_state(void *userdata, const NetworkState *state)
{
    static const char *const names[CONNECTIVITY_COUNT] = {"unknown", "none", "portal", "limited", "full"};
    char line[64];
    Text text = TEXT(line);

    (void) userdata;
    text_append_format(&text, "network %s%s", names[state->connectivity], state->metered ? " metered" : "");
    say(line);
}

static void on_offered(void *userdata, const OfferedServers *offered)
{
    char line[8192];
    Text text = TEXT(line);

    (void) userdata;
    text_append_format(&text, "offered %d %s: [%s]", (int) offered->provider, offered->interface,
                       offered->servers);
    say(line);
}

static void on_provider(void *userdata, OfferProvider provider, bool complete)
{
    (void) userdata;
    (void) provider;
    say(complete ? "provider complete" : "provider gone");
}

static void on_network_changed(void *userdata)
{
    (void) userdata;
    say("network changed");
}

static const BusHandlers handlers = {
    .on_notice = on_notice,
    .on_network_state = on_network_state,
    .on_offered = on_offered,
    .on_provider = on_provider,
    .on_network_changed = on_network_changed,
};

static int run(World *world)
{
    const Service service = {&methods, world};
    int r = sd_event_default(&world->event);

    if (r >= 0)
        r = bus_new(world->event, &service, &handlers, world, &world->bus);
    if (r >= 0)
        r = sd_event_add_io(world->event, NULL, STDIN_FILENO, EPOLLIN, on_input, world);
    if (r >= 0)
        r = sd_event_loop(world->event);
    world->bus = bus_free(world->bus);
    sd_event_unref(world->event);
    return r;
}

int main(void)
{
    static World world = {
        .clock = {.reason = CLOCK_STARTING,
                  .may_set_clock = true,
                  .leap = LEAP_UNSYNCHRONIZED,
                  .reference_time = COOKED_UNSET,
                  .system_offset = 0.5,
                  .frequency = -12.5e-6,
                  .skew = 0.25e-6,
                  .max_error = INFINITY},
    };

    add_source(&world, "192.0.2.11");
    add_source(&world, "2001:db8::12");
    add_source(&world, "pool.example.net#1");
    return run(&world) < 0;
}
