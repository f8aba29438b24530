//! Controls 128 to 131: Deployment.

use super::{Control, Group};

pub(super) const ALL: &[Control] = &[
    Control {
        number: 128,
        group: Group::Deployment,
        asks: "Non-root uid 1001 (FX Dockerfile `adduser -S`, `USER`)",
        does: "image uid 1001; root start drops privileges or refuses",
        appflowy: false,
        fluxbase: true,
        issue: "posture",
    },
    Control {
        number: 129,
        group: Group::Deployment,
        asks: "`read_only: true` + tmpfs /tmp /var/run (FX)",
        does: "works out of the box; self-check reports writable root fs",
        appflowy: false,
        fluxbase: true,
        issue: "posture",
    },
    Control {
        number: 130,
        group: Group::Deployment,
        asks: "Limits cpus 2 / 2G, reservations 1 / 1G (FX)",
        does: "shipped compose/Helm/systemd with them; memory-aware back-pressure",
        appflowy: false,
        fluxbase: true,
        issue: "posture",
    },
    Control {
        number: 131,
        group: Group::Deployment,
        asks: "`securityContext` runAsNonRoot 1001, fsGroup, allowPrivilegeEscalation false, readOnlyRootFilesystem, drop ALL (FX)",
        does: "generated; kube-bench/PSS \"restricted\" passes",
        appflowy: false,
        fluxbase: true,
        issue: "posture",
    },
];
