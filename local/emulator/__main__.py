"""MiniStack with AWS's own rules where its are too lenient for what is tested here: one module for each subject."""

import alarms
import capacity_providers
import ecs_services
import rights
import service_models
import stability
from ministack.app import main

for rules in (alarms, ecs_services, capacity_providers, service_models, stability, rights):
    rules.install()
main()
