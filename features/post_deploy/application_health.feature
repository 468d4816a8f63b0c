Feature: Application health in the first 15 minutes
  Runbook, Post-Deployment Validation: "Application Health Checks".

  @IV-HEALTH-1
  Scenario: The API answers its health check
    When the liveness endpoint of the api is read in every region
    Then it answers with status 200 and JSON

  @IV-HEALTH-2
  Scenario: The database is connected
    When the database endpoint of the api is read in every region
    Then it answers with status 200 and JSON
    And the database answers the gate's own read-only query

  @IV-HEALTH-3
  Scenario: Redis is connected
    When the cache endpoint of the api is read in every region
    Then it answers with status 200 and JSON
    And Redis answers the gate's own ping

  @IV-HEALTH-4
  Scenario: The external services are accessible
    When the external services are read in every region
    Then every expected service is reported

  @IV-HEALTH-5
  Scenario: The API is healthy and runs the release
    When the liveness endpoint of the api is read in every region
    Then it reports healthy
    And it reports the released version

  @IV-HEALTH-6
  Scenario: The database is healthy and fast
    When the database endpoint of the api is read seven times in every region
    Then it reports healthy
    And the median of its latencies is below 50 ms

  @IV-HEALTH-7
  Scenario: Redis is healthy and fast
    When the cache endpoint of the api is read seven times in every region
    Then it reports healthy
    And the median of its latencies is below 10 ms

  @IV-HEALTH-8
  Scenario: Every external service is healthy
    When the external services are read in every region
    Then every expected service is healthy
