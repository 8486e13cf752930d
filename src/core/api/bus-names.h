// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The names by which the daemon is known on the system bus: what both ends of it have to spell alike. */

#define BUS_NAME          "org.timeball1"
#define BUS_ROOT_PATH     "/org/timeball1"
#define BUS_SOURCE_PREFIX "/org/timeball1/source" /* + '/' + sd_bus_path_encode() of the source's name */

#define BUS_INTERFACE_AUTHENTICATION "org.timeball1.Authentication"
#define BUS_INTERFACE_MANAGER        "org.timeball1.Manager"
#define BUS_INTERFACE_CLOCK          "org.timeball1.Clock"
#define BUS_INTERFACE_MANUAL         "org.timeball1.Manual"
#define BUS_INTERFACE_SOURCES        "org.timeball1.Sources"
#define BUS_INTERFACE_SOURCE         "org.timeball1.Source"
#define BUS_INTERFACE_NTP            "org.timeball1.NTP"
#define BUS_INTERFACE_SELECTION      "org.timeball1.Selection"
#define BUS_INTERFACE_SERVER         "org.timeball1.Server"
#define BUS_INTERFACE_LOCAL          "org.timeball1.LocalReference"

/* One for each CommandResult but COMMAND_OK. */
#define BUS_ERROR_FAILED           "org.timeball1.Error.Failed"
#define BUS_ERROR_INVALID_ARGUMENT "org.timeball1.Error.InvalidArgument"
#define BUS_ERROR_NO_SUCH_SOURCE   "org.timeball1.Error.NoSuchSource"
#define BUS_ERROR_SOURCE_EXISTS    "org.timeball1.Error.SourceExists"
#define BUS_ERROR_TOO_MANY_SOURCES "org.timeball1.Error.TooManySources"
#define BUS_ERROR_BAD_FAMILY       "org.timeball1.Error.BadFamily"
#define BUS_ERROR_BAD_NAME         "org.timeball1.Error.BadName"
#define BUS_ERROR_NOT_ENABLED      "org.timeball1.Error.NotEnabled"
#define BUS_ERROR_NO_CLOCK         "org.timeball1.Error.NoClock"
#define BUS_ERROR_NOT_SYNCHRONIZED "org.timeball1.Error.NotSynchronized"
#define BUS_ERROR_NO_SUCH_ENTRY    "org.timeball1.Error.NoSuchEntry"
#define BUS_ERROR_CONFIGURATION    "org.timeball1.Error.Configuration"

#define BUS_ERROR_TIMEOUT "org.timeball1.Error.Timeout" /* of Clock.WaitSynchronized */
