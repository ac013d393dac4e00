Feature: Phase 7: performance
  Connections to the internal port are kept, and nothing became slower.

  Background:
    Given the candidate runs

  @phase-7 @item-7.1
  Scenario: Connections to the upstream are kept
    Given the admin has a session
    When the session makes 4 requests one after another
    And nginx's own connections to the internal port are counted
    And the session makes 4 requests one after another
    Then at least one of them is still open and the same
    When the session makes a burst of requests while answers are slowed down
    Then at rest no worker holds more of them than its pool may keep
    And every sense of the run shows what is there

  @phase-7 @item-7.2 @slow
  Scenario: The health check is not slower than before
    When the health check of baseline and candidate is measured side by side, in 20 blocks of 50 requests each
    Then the candidate is not slower than the margin allows
