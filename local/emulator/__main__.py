"""MiniStack, with AWS's own rules where MiniStack's are too lenient for these tests: one module per subject."""

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
