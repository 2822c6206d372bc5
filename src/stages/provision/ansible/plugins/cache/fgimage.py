# Where a play's facts come from: what this plugin was given, without what is of the host that builds and not of the image,
# and with the moment that everything written by a build carries (SOURCE_DATE_EPOCH). All facts pass here, whichever
# module gathered them.
# https://docs.ansible.com/ansible/latest/dev_guide/developing_plugins.html#cache-plugins
from __future__ import annotations

import os
import re
from datetime import datetime, timezone

from ansible.plugins.cache.memory import CacheModule as Memory

DOCUMENTATION = """
name: fgimage
short_description: Facts of the image in memory
description: Facts of the image in memory, without those of the host.
author: fgimage
options: {}
"""

# Of the machine and its load: an image has none yet. A play that asks is told that there is no such fact.
OF_HOST = re.compile(
    r"^ansible_(bios_.*|board_.*|chassis_.*|flags|form_factor|hostnqn|iscsi_iqn|kernel|kernel_version|loadavg|machine_id|mem.*_mb"
    r"|memory_mb|cmdline|proc_cmdline|processor.*|product_.*|ssh_host_key_.*|swap.*_mb|system_capabilities.*|system_vendor"
    r"|uptime_seconds)$"
)

# What there is none of in an image, as Ansible tells it of a machine without.
NONE = {
    "all_ipv4_addresses": [], "all_ipv6_addresses": [], "default_ipv4": {}, "default_ipv6": {}, "device_links": {},
    "devices": {}, "dns": {}, "fibre_channel_wwn": [], "interfaces": [], "locally_reachable_ips": {"ipv4": [], "ipv6": []},
    "lvm": "N/A", "mounts": [], "virtualization_role": "NA", "virtualization_type": "NA",
    "virtualization_tech_guest": [], "virtualization_tech_host": [],
}


class CacheModule(Memory):
    def set(self, key, value):
        super().set(key, of_image(value))


def of_image(facts):
    interfaces = {f"ansible_{name.replace('-', '_')}" for name in facts.get("ansible_interfaces", [])}
    kept = {name: value for name, value in facts.items() if not OF_HOST.match(name) and name not in interfaces}
    kept.update({f"ansible_{name}": value for name, value in NONE.items() if f"ansible_{name}" in kept})
    if "ansible_date_time" in kept:
        kept["ansible_date_time"] = date_time(int(os.environ["SOURCE_DATE_EPOCH"]))
    return kept


def date_time(epoch):
    now = datetime.fromtimestamp(epoch, timezone.utc)
    words = {
        "date": "%Y-%m-%d", "day": "%d", "hour": "%H", "minute": "%M", "month": "%m", "second": "%S", "time": "%H:%M:%S",
        "weekday": "%A", "weekday_number": "%w", "weeknumber": "%W", "year": "%Y", "iso8601": "%Y-%m-%dT%H:%M:%SZ",
        "iso8601_basic": "%Y%m%dT%H%M%S%f", "iso8601_basic_short": "%Y%m%dT%H%M%S", "iso8601_micro": "%Y-%m-%dT%H:%M:%S.%fZ",
    }
    told = {name: now.strftime(form) for name, form in words.items()}
    return {**told, "epoch": str(epoch), "epoch_int": str(epoch), "tz": "UTC", "tz_dst": "UTC", "tz_offset": "+0000"}
