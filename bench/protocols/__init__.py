"""The protocols that come with facebench: one file a data set, its official layout and split."""

from __future__ import annotations

from bench.protocol import Protocol
from bench.protocols import (
    agedb,
    casme2,
    casme3,
    casme_sq,
    cfp,
    cross_lfw,
    encryption,
    hub_pairs,
    ijb,
    insightface_bin,
    interval_tables,
    lfw,
    megc2019,
    megc_unseen,
    samm,
    samm_lv,
    smic,
)

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for file in (
        *(lfw, insightface_bin, agedb, cfp, cross_lfw, ijb, hub_pairs),
        *(casme2, samm, smic, megc2019, casme_sq, samm_lv, casme3, megc_unseen, interval_tables),
        encryption,
    )
    for protocol in file.PROTOCOLS
}
