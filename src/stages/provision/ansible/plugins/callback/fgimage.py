# Tells fgimage what Ansible does: one line of JSON for each event, behind a mark (src/stages/provision/ansible/events.ts).
# https://docs.ansible.com/ansible/latest/dev_guide/developing_plugins.html#callback-plugins
from __future__ import annotations

import json

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: fgimage
type: stdout
short_description: Events for fgimage
description: One line of JSON for each event.
author: fgimage
"""

MARK = "fgimage-ansible:"
# A module's output can be long; its end says what went wrong.
LONGEST = 4000
# What a result of `debug` has beside what is to be shown.
UNTOLD = ("changed", "failed", "skipped", "item", "ansible_loop_var", "false_condition", "skip_reason")


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "fgimage"

    def v2_playbook_on_play_start(self, play):
        self._tell("play", name=play.get_name().strip())

    def v2_playbook_on_no_hosts_matched(self):
        self._tell("no-hosts")

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._tell("task", **self._place(task))

    def v2_playbook_on_handler_task_start(self, task):
        self._tell("task", handler=True, **self._place(task))

    def v2_runner_on_ok(self, result):
        self._result("changed" if result._result.get("changed") else "ok", result)

    def v2_runner_on_skipped(self, result):
        self._result("skipped", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._result("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_unreachable(self, result):
        self._result("failed", result)

    def v2_runner_retry(self, result):
        self._result("retry", result)

    def v2_runner_item_on_ok(self, result):
        self._result("item-changed" if result._result.get("changed") else "item-ok", result)

    def v2_runner_item_on_skipped(self, result):
        self._result("item-skipped", result)

    def v2_runner_item_on_failed(self, result):
        self._result("item-failed", result)

    def _result(self, event, result):
        found = result._result
        hidden = bool(found.get("_ansible_no_log"))
        told = self._place(result._task)
        if event.startswith("item-"):
            told["item"] = "(hidden by no_log)" if hidden else str(self._get_item_label(found))[-LONGEST:]
        if event in ("failed", "ignored", "item-failed", "retry"):
            told["msg"] = "(hidden by no_log)" if hidden else self._reason(found)
        elif not hidden:
            told["msg"] = self._shown(found, result._task.action)
        self._tell(event, **told)

    def _shown(self, found, action):
        """What a task tells that went well: what `debug` is to show, with -v everything."""
        if self._display.verbosity > 0:
            return str(self._dump_results(found))[:LONGEST]
        if action.split(".")[-1] != "debug":
            return None
        told = {key: value for key, value in found.items() if not key.startswith("_") and key not in UNTOLD}
        return str(told["msg"]) if set(told) == {"msg"} else json.dumps(told, default=str)

    def _reason(self, found):
        parts = [str(found[key]).strip() for key in ("msg", "reason", "module_stderr", "stderr", "stdout") if found.get(key)]
        told = []
        for part in parts:
            if part and part not in told:
                told.append(part[-LONGEST:])
        return "\n".join(told)

    def _place(self, task):
        role = task._role.get_name() if task._role else None
        return {"role": role, "task": task.name or task.action, "path": task.get_path()}

    def _tell(self, event, **told):
        line = json.dumps({"event": event, **{key: value for key, value in told.items() if value is not None}})
        self._display.display(f"{MARK} {line}")
