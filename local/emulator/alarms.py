"""
Alarms by CloudWatch's rules instead of MiniStack's: an alarm watches one metric with its dimensions and looks at its last
whole periods. It treats missing data as configured, and is evaluated as time passes, not only when data arrive.
"""

import logging
import threading
import time

from ministack.core.responses import set_request_account_id, set_request_region
from ministack.services import cloudwatch

EVERY_SECONDS = 5
# Evaluation windows start and end on whole minutes and move forward by one minute.
MINUTE = 60

COMPARE = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}
# How a period without data counts: as breaching, as not breaching, or not at all.
MISSING = {"breaching": True, "notBreaching": False}


def evaluate(alarm, now):
    end = now // MINUTE * MINUTE
    values = [value_of(alarm, end - back * alarm["Period"]) for back in range(alarm["EvaluationPeriods"])]
    found = [breaches(alarm, value) for value in values]
    state = state_of(alarm, found)
    if state != alarm["StateValue"]:
        change(alarm, state, f"{found.count(True)} of the last {len(found)} periods breach: {values}")


def value_of(alarm, end):
    """The period's statistic, or None if it has no data."""
    dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(alarm.get("Dimensions") or []))
    points = cloudwatch._metrics.get((alarm["Namespace"], alarm["MetricName"], dimensions)) or []
    within = [point for point in list(points) if end - alarm["Period"] <= point["Timestamp"] < end]
    if not within:
        return None
    statistic = alarm.get("ExtendedStatistic") or alarm["Statistic"]
    return cloudwatch._stat_value(cloudwatch._calc_stats(within), statistic, within)


def breaches(alarm, value):
    if value is None:
        return MISSING.get(alarm.get("TreatMissingData"))
    return COMPARE[alarm["ComparisonOperator"]](value, alarm["Threshold"])


def state_of(alarm, found):
    if all(each is None for each in found):
        return alarm["StateValue"] if alarm.get("TreatMissingData") == "ignore" else "INSUFFICIENT_DATA"
    enough = alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"]
    return "ALARM" if found.count(True) >= enough else "OK"


def change(alarm, state, reason):
    before = alarm["StateValue"]
    alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
    cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def evaluate_for_ever():
    while True:
        time.sleep(EVERY_SECONDS)
        for (account, region, name), alarm in list(cloudwatch._alarms._data.items()):
            set_request_account_id(account)
            set_request_region(region)
            try:
                evaluate(alarm, time.time())
            except Exception:
                logging.exception("alarm %s", name)


def install():
    # MiniStack's own evaluation mixes metrics of different dimensions.
    cloudwatch._evaluate_alarm = lambda alarm: None
    threading.Thread(target=evaluate_for_ever, daemon=True).start()
