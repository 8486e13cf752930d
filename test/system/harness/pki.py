# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""A public key infrastructure that lasts as long as the tests: authorities, intermediates and certificates of servers,
for any names and with any dates. Nothing of it is kept, and no key is in the tree. Made by openssl(1), with keys on
P-256: a certificate takes about 20 ms."""

import dataclasses
import datetime
import ipaddress
import itertools
import pathlib
import shutil

from .world import STATE, run

COUNT = itertools.count(1)
DAY = datetime.timedelta(days=1)


def date(text):
    """Midnight of "2015-06-01", in UTC."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


# authorities are valid for every clock that a test may have, so that the dates of a server alone matter
ALWAYS = (date("1950-01-02"), date("2149-12-31"))


@dataclasses.dataclass
class Certificate:
    """What a server needs: its chain (own certificate first, then the intermediates, never the root) and its key."""

    chain: pathlib.Path
    key: pathlib.Path

    def give(self, user):
        """To the user as whom the server runs."""
        for path in (self.chain, self.key):
            shutil.chown(path, user, user)
        return self


class Authority:
    """Issues certificates. issuer: the authority above it, for an intermediate; a root has none. valid: its first and
    last moment. trusted: the file that a client trusts, which is the root's certificate."""

    def __init__(self, name="Harbour Authority", issuer=None, valid=ALWAYS):
        self.name, self.issuer = name, issuer
        self.folder = STATE / f"authority-{next(COUNT)}"
        self.folder.mkdir(parents=True)
        # clients of all users read certificates; keys are closed one by one
        self.folder.chmod(0o755)
        self.count = itertools.count(1)
        self.key, self.certificate = self.folder / "authority.key", self.folder / "authority.pem"
        request = self.new_request(self.key, name)
        profile = ["basicConstraints = critical, CA:TRUE", "keyUsage = critical, keyCertSign, cRLSign"]
        if issuer:
            issuer.sign(request, self.certificate, profile, valid)
        else:
            self.sign(request, self.certificate, profile, valid, "-selfsign")

    @property
    def trusted(self):
        return self.issuer.trusted if self.issuer else self.certificate

    def intermediate(self, name="Pier Authority", valid=ALWAYS):
        """An authority whose certificate this one issues."""
        return Authority(name, self, valid)

    def issue(self, *names, valid=None):
        """A certificate for a server of these names and addresses; valid: from a day ago, for a year, unless given.
        Without a name it is for none."""
        number = next(self.count)
        key, alone = self.folder / f"server-{number}.key", self.folder / f"server-{number}.alone"
        profile = ["basicConstraints = critical, CA:FALSE", "keyUsage = critical, digitalSignature",
                   "extendedKeyUsage = serverAuth"]
        if names:
            profile.append("subjectAltName = " + ", ".join(map(alternative, names)))
        request = self.new_request(key, f"server {number}")
        self.sign(request, alone, profile, valid or (now() - DAY, now() + 365 * DAY))
        chain = self.folder / f"server-{number}.pem"
        chain.write_text("".join(path.read_text() for path in [alone, *self.above()]))
        return Certificate(chain, key)

    def above(self):
        """Certificates between a server of ours and the root."""
        return [self.certificate, *self.issuer.above()] if self.issuer else []

    def new_request(self, key, name):
        request = key.with_suffix(".csr")
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-batch",
            "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        key.chmod(0o600)
        return request

    def sign(self, request, certificate, profile, valid, *words):
        """By openssl ca, because openssl x509 cannot choose the first moment."""
        number = next(self.count)
        index = self.folder / f"{number}.index"
        index.touch()
        configuration = self.folder / f"{number}.conf"
        configuration.write_text("\n".join([
            "[ca]", "default_ca = this", "[this]", f"database = {index}", f"new_certs_dir = {self.folder}",
            "rand_serial = yes", "default_md = sha256", "policy = any", "unique_subject = no", "[any]", "commonName = supplied",
            "[profile]", "subjectKeyIdentifier = hash", *profile, ""]))
        # the profile of a certificate that signs itself must not ask for the identity of its issuer
        run("openssl", "ca", "-batch", "-notext", "-config", configuration, "-extensions", "profile", "-in", request,
            "-out", certificate, "-cert", self.certificate, "-keyfile", self.key,
            "-startdate", moment(valid[0]), "-enddate", moment(valid[1]), *words)
        certificate.chmod(0o644)


def moment(when):
    return when.astimezone(datetime.timezone.utc).strftime("%Y%m%d%H%M%SZ")


def alternative(name):
    """As subjectAltName wants a name or an address."""
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"
