Feature: After a rollback of the pods
  Runbook, Rollback Procedures: "Method 1: Kubernetes Rollback". The version before is proved as strictly as the
  release was; its Deployment, images and configuration are those of the baseline.

  @RB-K8S-1
  Scenario: The rollback is carried out
    When the clusters of every region are read
    Then the restored version is rolled out completely, with the images it had before the release
    And nothing of the release runs any more

  @RB-K8S-2
  Scenario: The pods are rolled back
    When the clusters of every region are read
    Then all pods of the restored version are running and ready, and none has restarted
    And the service leads to the restored version's ready pods and to nothing else

  @RB-K8S-3
  Scenario: The health checks pass
    When the liveness endpoint of the api is read in every region
    Then it answers with status 200 and JSON
    And it reports healthy
    And it reports the restored version
    When the database endpoint of the api is read in every region
    Then it answers with status 200 and JSON
    And it reports healthy
    When the cache endpoint of the api is read in every region
    Then it answers with status 200 and JSON
    And it reports healthy

  @RB-K8S-4
  Scenario: The error rate is normal again
    When the events since the traffic switch are counted in every region
    Then they prove the policy's target and stay under its rollback limit

  @RB-K8S-5
  Scenario: The response times are as before the release
    When the events since the traffic switch are counted in every region
    Then they prove the policy's target and stay under its rollback limit
    And they are no slower than before the release, by the policy
