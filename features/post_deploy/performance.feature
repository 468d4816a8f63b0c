Feature: Performance targets in the first 15 minutes
  Runbook, Post-Deployment Validation: "Performance Targets" and "When to Rollback".
  The figures stand in gates/policy/objectives.yaml.

  @IV-PERF-1
  Scenario: API p95 response time is under 200 ms
    When the events since the traffic switch are counted in every region
    Then they prove the policy's target and stay under its rollback limit

  @IV-PERF-2
  Scenario: API p99 response time is under 500 ms
    When the events since the traffic switch are counted in every region
    Then they prove the policy's target

  @IV-PERF-3
  Scenario: The error rate is under 0.1 %
    When the events since the traffic switch are counted in every region
    Then they prove the policy's target and stay under its rollback limit

  @IV-PERF-4
  Scenario: Database query p95 is under 50 ms
    When the events since the traffic switch are counted in every region
    Then they prove the policy's target
