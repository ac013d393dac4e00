Feature: Phase 1: basics
  The candidate is accepted, takes the baseline's place, starts, is healthy and quiet.

  @phase-1 @item-1.1
  Scenario: The candidate's syntax is accepted
    Given the baseline is deployed and answers
    When the candidate is tested with the gateway's own binary
    Then the test succeeds and says "syntax is ok" and "test is successful"
    But the same file with one brace too many is refused by the same command

  @phase-1 @item-1.2
  Scenario: The gateway restarts with the candidate
    Given the baseline is deployed and answers
    And the deployed configuration is backed up under the plan's name
    When the candidate is deployed and the gateway is restarted
    Then the backup is the baseline and the deployed configuration is the candidate, by their hashes
    And a new master answers, every old process is gone, and the new master holds every listening socket
    And it answers its health check 3 times
    And the same master still runs and was not restarted again

  @phase-1 @item-1.3
  Scenario: The health check says healthy
    Given the candidate runs
    When the health check is asked 3 times
    Then each answer is 200, JSON and healthy
    And each answer came from a worker of the running master

  @phase-1 @item-1.4
  Scenario: The log holds no error
    Given the candidate runs
    When every public location is asked for the first time
    Then the log since the restart has no record at error or above
    But an error line written to the same logs is found by the same reader
