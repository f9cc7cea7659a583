"""The protocols that come with facebench: one file a data set, its official layout and split."""

from __future__ import annotations

from bench.protocol import Protocol
from bench.protocols import (
    affectnet,
    agedb,
    casme2,
    casme3,
    casme_sq,
    cfp,
    cross_lfw,
    encrypted_pairs,
    encryption,
    fer2013,
    ferbench,
    ferplus,
    hub_pairs,
    ijb,
    insightface_bin,
    interval_tables,
    inversion,
    lfw,
    megc2019,
    megc_unseen,
    rafdb,
    samm,
    samm_lv,
    sfew,
    smic,
)

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for file in (
        *(lfw, insightface_bin, agedb, cfp, cross_lfw, ijb, hub_pairs),
        *(casme2, samm, smic, megc2019, casme_sq, samm_lv, casme3, megc_unseen, interval_tables),
        *(encryption, encrypted_pairs, inversion),
        *(ferplus, fer2013, rafdb, affectnet, sfew, ferbench),
    )
    for protocol in file.PROTOCOLS
}
