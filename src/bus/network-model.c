// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* A table says which property of which interface goes where, with its type. Objects are found by their path:
 * a device names the configurations that DHCP has made for it by their paths, and a renewed lease may be a
 * new object. So nothing is joined before somebody asks. */

#include "bus/network-model.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"

/* More than a machine with hundreds of containers has. */
#define OBJECTS_MAX     1024
#define OBJECT_PATH_MAX 96

/* Numbers of NetworkManager's D-Bus API. */
enum {
    STATE_ASLEEP = 10,
    DEVICE_STATE_ACTIVATED = 100,
    METERED_YES = 1,
    METERED_GUESS_YES = 3,
};

typedef struct Manager {
    uint32_t state, connectivity, metered;
    bool startup;
} Manager;

typedef struct Device {
    char path[OBJECT_PATH_MAX];
    char interface[INTERFACE_NAME_MAX];    /* of the hardware */
    char ip_interface[INTERFACE_NAME_MAX]; /* which addresses belong to, when that is another one: ppp0 */
    uint32_t state;
    char lease4[OBJECT_PATH_MAX], lease6[OBJECT_PATH_MAX];
} Device;

typedef struct Lease {
    char path[OBJECT_PATH_MAX];
    char *servers; /* NULL: none */
} Lease;

struct NetworkModel {
    Manager manager;
    Device *devices;
    size_t device_count;
    Lease *leases;
    size_t lease_count;
    uint32_t changes;
};

typedef enum ObjectKind {
    OBJECT_MANAGER,
    OBJECT_DEVICE,
    OBJECT_LEASE,
    OBJECT_NAMES,
    OBJECT_OTHER
} ObjectKind;

static ObjectKind kind_of(const char *interface)
{
    static const struct {
        const char *name;
        ObjectKind kind;
    } rows[] = {
        {"org.freedesktop.NetworkManager", OBJECT_MANAGER},
        {"org.freedesktop.NetworkManager.Device", OBJECT_DEVICE},
        {"org.freedesktop.NetworkManager.DHCP4Config", OBJECT_LEASE},
        {"org.freedesktop.NetworkManager.DHCP6Config", OBJECT_LEASE},
        {"org.freedesktop.NetworkManager.DnsManager", OBJECT_NAMES},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++)
        if (text_equal(rows[i].name, interface))
            return rows[i].kind;
    return OBJECT_OTHER;
}

int network_model_new(NetworkModel **ret)
{
    NetworkModel *model = calloc(1, sizeof(*model));

    if (!model)
        return -ENOMEM;
    *ret = model;
    return 0;
}

void network_model_clear(NetworkModel *model)
{
    for (size_t i = 0; i < model->lease_count; i++)
        free(model->leases[i].servers);
    free(model->leases);
    free(model->devices);
    *model = (NetworkModel) {.changes = model->changes};
}

NetworkModel *network_model_free(NetworkModel *model)
{
    if (!model)
        return NULL;
    network_model_clear(model);
    free(model);
    return NULL;
}

/* --- objects --- */

static Device *find_device(const NetworkModel *model, const char *path)
{
    for (size_t i = 0; i < model->device_count; i++)
        if (text_equal(model->devices[i].path, path))
            return &model->devices[i];
    return NULL;
}

static Lease *find_lease(const NetworkModel *model, const char *path)
{
    for (size_t i = 0; i < model->lease_count; i++)
        if (text_equal(model->leases[i].path, path))
            return &model->leases[i];
    return NULL;
}

/* *ret NULL: there is no room for it, or its path is none that NetworkManager would choose. */
static int add_object(void **list, size_t *count, size_t size, const char *path, void **ret)
{
    *ret = NULL;
    if (*count >= OBJECTS_MAX || strlen(path) >= OBJECT_PATH_MAX)
        return 0;
    void *grown = reallocarray(*list, *count + 1, size);
    if (!grown)
        return -ENOMEM;
    *list = grown;
    void *object = (char *) grown + size * (*count)++;
    memset(object, 0, size);
    memcpy(object, path, strlen(path) + 1); /* it comes first in each */
    *ret = object;
    return 0;
}

static int take_device(NetworkModel *model, const char *path, bool known, void **ret)
{
    Device *device = find_device(model, path);

    *ret = device;
    if (device || known)
        return 0;
    return add_object((void **) &model->devices, &model->device_count, sizeof(Device), path, ret);
}

static int take_lease(NetworkModel *model, const char *path, bool known, void **ret)
{
    Lease *lease = find_lease(model, path);

    *ret = lease;
    if (lease || known)
        return 0;
    return add_object((void **) &model->leases, &model->lease_count, sizeof(Lease), path, ret);
}

static bool is_activated(const Device *device)
{
    return device->state == DEVICE_STATE_ACTIVATED;
}

static void set_device_state(NetworkModel *model, Device *device, uint32_t state)
{
    bool before = is_activated(device);

    device->state = state;
    model->changes += is_activated(device) != before;
}

void network_model_set_device_state(NetworkModel *model, const char *path, uint32_t state)
{
    Device *device = find_device(model, path);

    if (device)
        set_device_state(model, device, state);
}

void network_model_set_state(NetworkModel *model, uint32_t state)
{
    model->changes += model->manager.state != state;
    model->manager.state = state;
}

void network_model_remove(NetworkModel *model, const char *path, const char *interface)
{
    ObjectKind kind = kind_of(interface);
    Device *device = kind == OBJECT_DEVICE ? find_device(model, path) : NULL;
    Lease *lease = kind == OBJECT_LEASE ? find_lease(model, path) : NULL;

    if (device) {
        model->changes += is_activated(device);
        *device = model->devices[--model->device_count];
    }
    if (lease) {
        free(lease->servers);
        *lease = model->leases[--model->lease_count];
    }
}

/* --- values --- */

static int read_number(sd_bus_message *message, uint32_t *ret)
{
    return sd_bus_message_read(message, "v", "u", ret);
}

/* A path that does not fit is that of no object that we know. */
static int read_path(sd_bus_message *message, char ret[static OBJECT_PATH_MAX])
{
    const char *path;
    int r = sd_bus_message_read(message, "v", "o", &path);

    if (r >= 0 && !text_copy(ret, OBJECT_PATH_MAX, path))
        ret[0] = '\0';
    return r;
}

/* What the kernel takes for the name of an interface (dev_valid_name()), and no byte that could do harm in a
 * log. */
static bool is_interface_name(const char *name)
{
    size_t length = strlen(name);

    if (length == 0 || length >= INTERFACE_NAME_MAX || text_equal(name, ".") || text_equal(name, ".."))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isascii(name[i]) || !isgraph(name[i]) || name[i] == '/' || name[i] == ':')
            return false;
    return true;
}

static int read_interface(sd_bus_message *message, char ret[static INTERFACE_NAME_MAX])
{
    const char *name;
    int r = sd_bus_message_read(message, "v", "s", &name);

    if (r >= 0)
        (void) text_copy(ret, INTERFACE_NAME_MAX, is_interface_name(name) ? name : "");
    return r;
}

/* Appends what there is room for, in whole words. */
static void append_words(Text *text, const char *words)
{
    size_t start = text->length;

    if (words[0] == '\0')
        return;
    text_append(text, start > 0 ? " " : "");
    text_append(text, words);
    if (!text->truncated)
        return;
    text->truncated = false;
    while (text->length > start && text->data[text->length - 1] != ' ')
        text->length--;
    while (text->length > start && text->data[text->length - 1] == ' ')
        text->length--;
    text->data[text->length] = '\0';
}

static bool tells_servers(const char *option)
{
    return text_equal(option, "ntp_servers") || text_equal(option, "dhcp6_ntp_servers") ||
           text_equal(option, "dhcp6_sntp_servers");
}

/* Whether the variant that comes next holds a value of that type. */
static bool holds(sd_bus_message *message, const char *type)
{
    const char *contents = NULL;
    char kind = 0;

    return sd_bus_message_peek_type(message, &kind, &contents) > 0 && kind == 'v' &&
           text_equal(contents, type);
}

static int read_option(sd_bus_message *message, Text *servers)
{
    const char *name, *value;
    int r = sd_bus_message_read(message, "s", &name);

    if (r < 0 || !tells_servers(name) || !holds(message, "s"))
        return r < 0 ? r : sd_bus_message_skip(message, "v");
    r = sd_bus_message_read(message, "v", "s", &value);
    if (r >= 0)
        append_words(servers, value);
    return r;
}

static int read_options(sd_bus_message *message, Lease *lease)
{
    char buffer[NETWORK_SERVERS_MAX];
    Text servers = TEXT(buffer);
    int r = sd_bus_message_enter_container(message, 'v', "a{sv}");

    if (r < 0 || (r = sd_bus_message_enter_container(message, 'a', "{sv}")) < 0)
        return r;
    while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0)
        if ((r = read_option(message, &servers)) < 0 || (r = sd_bus_message_exit_container(message)) < 0)
            return r;
    if (r < 0 || (r = sd_bus_message_exit_container(message)) < 0 ||
        (r = sd_bus_message_exit_container(message)) < 0)
        return r;
    free(lease->servers);
    lease->servers = servers.length > 0 ? strdup(buffer) : NULL;
    return servers.length > 0 && !lease->servers ? -ENOMEM : 0;
}

/* --- properties: each reader takes the variant, whose type has been looked at --- */

static int read_state(NetworkModel *model, unused_ void *object, sd_bus_message *message)
{
    uint32_t state;
    int r = read_number(message, &state);

    if (r >= 0)
        network_model_set_state(model, state);
    return r;
}

static int read_connectivity(NetworkModel *model, unused_ void *object, sd_bus_message *message)
{
    uint32_t before = model->manager.connectivity;
    int r = read_number(message, &model->manager.connectivity);

    model->changes += model->manager.connectivity != before;
    return r;
}

static int read_metered(NetworkModel *model, unused_ void *object, sd_bus_message *message)
{
    return read_number(message, &model->manager.metered);
}

static int read_startup(NetworkModel *model, unused_ void *object, sd_bus_message *message)
{
    int startup;
    int r = sd_bus_message_read(message, "v", "b", &startup);

    if (r >= 0)
        model->manager.startup = startup;
    return r;
}

static int read_device_state(NetworkModel *model, void *object, sd_bus_message *message)
{
    uint32_t state;
    int r = read_number(message, &state);

    if (r >= 0)
        set_device_state(model, object, state);
    return r;
}

static int read_device_interface(unused_ NetworkModel *model, void *object, sd_bus_message *message)
{
    return read_interface(message, ((Device *) object)->interface);
}

static int read_device_ip_interface(unused_ NetworkModel *model, void *object, sd_bus_message *message)
{
    return read_interface(message, ((Device *) object)->ip_interface);
}

static int read_lease4(unused_ NetworkModel *model, void *object, sd_bus_message *message)
{
    return read_path(message, ((Device *) object)->lease4);
}

static int read_lease6(unused_ NetworkModel *model, void *object, sd_bus_message *message)
{
    return read_path(message, ((Device *) object)->lease6);
}

static int read_lease_options(unused_ NetworkModel *model, void *object, sd_bus_message *message)
{
    return read_options(message, object);
}

/* Whoever answers questions about names may be somebody else now: that is all that we want to know of it. */
static int read_names(NetworkModel *model, unused_ void *object, sd_bus_message *message)
{
    model->changes++;
    return sd_bus_message_skip(message, "v");
}

static const struct Property {
    ObjectKind kind;
    const char *name, *type;
    int (*read)(NetworkModel *model, void *object, sd_bus_message *message);
} properties[] = {
    {OBJECT_MANAGER, "State", "u", read_state},
    {OBJECT_MANAGER, "Connectivity", "u", read_connectivity},
    {OBJECT_MANAGER, "Metered", "u", read_metered},
    {OBJECT_MANAGER, "Startup", "b", read_startup},
    {OBJECT_DEVICE, "State", "u", read_device_state},
    {OBJECT_DEVICE, "Interface", "s", read_device_interface},
    {OBJECT_DEVICE, "IpInterface", "s", read_device_ip_interface},
    {OBJECT_DEVICE, "Dhcp4Config", "o", read_lease4},
    {OBJECT_DEVICE, "Dhcp6Config", "o", read_lease6},
    {OBJECT_LEASE, "Options", "a{sv}", read_lease_options},
    {OBJECT_NAMES, "Configuration", "aa{sv}", read_names},
};

static const struct Property *find_property(ObjectKind kind, const char *name)
{
    for (size_t i = 0; i < ELEMENTS(properties); i++)
        if (properties[i].kind == kind && text_equal(properties[i].name, name))
            return &properties[i];
    return NULL;
}

static int take_object(NetworkModel *model, ObjectKind kind, const char *path, bool known, void **ret)
{
    switch (kind) {
    case OBJECT_DEVICE: return take_device(model, path, known, ret);
    case OBJECT_LEASE: return take_lease(model, path, known, ret);
    case OBJECT_MANAGER:
    case OBJECT_NAMES: *ret = model; return 0;
    case OBJECT_OTHER: break;
    }
    *ret = NULL;
    return 0;
}

int network_model_read(NetworkModel *model, const char *path, const char *interface, bool known,
                       sd_bus_message *message)
{
    ObjectKind kind = kind_of(interface);
    void *object;
    int r = take_object(model, kind, path, known, &object);

    if (r < 0)
        return r;
    if (!object)
        return sd_bus_message_skip(message, "a{sv}");
    if ((r = sd_bus_message_enter_container(message, 'a', "{sv}")) < 0)
        return r;
    while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        const char *name;
        if ((r = sd_bus_message_read(message, "s", &name)) < 0)
            return r;
        const struct Property *property = find_property(kind, name);
        if (property && holds(message, property->type))
            r = property->read(model, object, message);
        else
            r = sd_bus_message_skip(message, "v");
        if (r < 0 || (r = sd_bus_message_exit_container(message)) < 0)
            return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

/* --- what it comes to --- */

NetworkState network_model_state(const NetworkModel *model)
{
    const Manager *manager = &model->manager;

    if (manager->state == STATE_ASLEEP)
        return (NetworkState) {.connectivity = CONNECTIVITY_UNKNOWN};
    return (NetworkState) {
        .connectivity = manager->connectivity < CONNECTIVITY_COUNT ? (Connectivity) manager->connectivity
                                                                   : CONNECTIVITY_UNKNOWN,
        .metered = manager->metered == METERED_YES || manager->metered == METERED_GUESS_YES,
    };
}

bool network_model_is_starting(const NetworkModel *model)
{
    return model->manager.startup;
}

uint32_t network_model_changes(const NetworkModel *model)
{
    return model->changes;
}

static const char *interface_of(const Device *device)
{
    return device->ip_interface[0] != '\0' ? device->ip_interface : device->interface;
}

static void append_lease(const NetworkModel *model, const char *path, Text *text)
{
    const Lease *lease = path[0] != '\0' ? find_lease(model, path) : NULL;

    if (lease && lease->servers)
        append_words(text, lease->servers);
}

void network_model_servers(const NetworkModel *model, const char *interface, char *ret)
{
    Text text = text_init(ret, NETWORK_SERVERS_MAX);

    for (size_t i = 0; i < model->device_count; i++) {
        const Device *device = &model->devices[i];
        if (!is_activated(device) || !text_equal(interface_of(device), interface))
            continue;
        append_lease(model, device->lease4, &text);
        append_lease(model, device->lease6, &text);
    }
}

static bool has_servers(const NetworkModel *model, const Device *device)
{
    const Lease *lease4 = find_lease(model, device->lease4), *lease6 = find_lease(model, device->lease6);

    return is_activated(device) && interface_of(device)[0] != '\0' &&
           ((lease4 && lease4->servers) || (lease6 && lease6->servers));
}

/* An interface whose old device is about to go may have a new one already. */
static bool is_first(const NetworkModel *model, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (text_equal(interface_of(&model->devices[i]), interface_of(&model->devices[index])) &&
            has_servers(model, &model->devices[i]))
            return false;
    return true;
}

void network_model_visit(const NetworkModel *model, NetworkModelVisitor visitor, void *userdata)
{
    for (size_t i = 0; i < model->device_count; i++)
        if (has_servers(model, &model->devices[i]) && is_first(model, i))
            visitor(userdata, interface_of(&model->devices[i]));
}
