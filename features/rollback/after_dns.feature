Feature: After a rollback of DNS records
  Runbook, "Method 3: DNS Rollback": the zone says again what it said before the release, and the traffic follows.

  @RB-DNS-1
  Scenario: The DNS records are reverted
    When the zone's servers are asked for the records of before the release
    Then every authoritative server has the wanted records, the same serial and sane TTLs

  @RB-DNS-2
  Scenario: The traffic is routed as before
    When the zone's servers are asked for the records of before the release
    Then every resolver has the wanted records within the policy's time
    And the traffic of every region arrives at ready pods

  @RB-DNS-3
  Scenario: The services are accessible
    Then every service of every region answers
    And every host is served under its own name in every region

  @RB-DNS-4
  Scenario: The users are not impacted
    When the events since the traffic switch are counted in every region
    Then they prove the policy's target and stay under its rollback limit
