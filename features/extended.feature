Feature: Extended checks
  What the plan does not ask, and an attacker, the data or the time of day will.

  @extended @item-X.5
  Scenario: The tracking endpoint is not reachable from outside
    Given the candidate runs
    When GET "/track_user_internal?email=nobody%40example.com&context=Default" is asked on the public port
    Then the answer's status is 404
    And the key "active_user:nobody@example.com" does not exist in Redis
