// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What NetworkManager has said of itself: its state, its devices, and what DHCP has told them of servers of
 * time. It is fed with properties as they come over the bus, of any object; whatever is not asked for here,
 * has another type than the documentation says, or is too much, is left out. */

#include <systemd/sd-bus.h>

#include "base/macros.h"
#include "core/api/network.h"

/* Servers of one lease, or of one interface, as text; the rest of a longer one is cut off, between two words.
 */
#define NETWORK_SERVERS_MAX 4096

typedef struct NetworkModel NetworkModel;

int network_model_new(NetworkModel **ret) must_check_;
NetworkModel *network_model_free(NetworkModel *model);
DEFINE_CLEANUP(NetworkModel, network_model_free);

/* As it was when it was new. */
void network_model_clear(NetworkModel *model);

/* Reads an a{sv}, properties of that interface of an object, to its end. known: only of an object that is
 * known already. Returns a negative errno when the message is broken, or for lack of memory. */
int network_model_read(NetworkModel *model, const char *path, const char *interface, bool known,
                       sd_bus_message *message) must_check_;
/* Device.StateChanged, which comes a little before the property. */
void network_model_set_device_state(NetworkModel *model, const char *path, uint32_t state);
void network_model_set_state(NetworkModel *model, uint32_t state);
/* That object has that interface no more. */
void network_model_remove(NetworkModel *model, const char *path, const char *interface);

/* What it comes to. */
NetworkState network_model_state(const NetworkModel *model);
bool network_model_is_starting(const NetworkModel *model); /* it has not yet begun all that it will */
/* Grows with whatever may have opened or closed a way, or changed who is asked about names. */
uint32_t network_model_changes(const NetworkModel *model);

/* Servers of the interface of that name, which is of an activated device: "" for none. ret:
 * NETWORK_SERVERS_MAX bytes. */
void network_model_servers(const NetworkModel *model, const char *interface, char *ret);
/* Calls back for each interface that has servers, once. */
typedef void (*NetworkModelVisitor)(void *userdata, const char *interface);
void network_model_visit(const NetworkModel *model, NetworkModelVisitor visitor, void *userdata);
