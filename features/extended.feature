Feature: Extended checks
  What the plan does not ask, and an attacker, the data or the time of day will.

  @extended @item-X.1
  Scenario: Identity headers sent by a client are not believed
    Given the candidate runs
    And the plain user has a session
    And the log from here on
    When someone without a session claims in identity headers to be the admin, or a stranger
    Then each claim is refused or sent to the login, and none reaches the upstream
    When the session claims in identity headers to be the admin, or a stranger
    Then the session stays who it is: no admin right, tracked as itself, the upstream told nothing else
    And the admin's token stays the admin's under such a claim
    And nobody is tracked under a claimed address
    And whether the internal port believes such a claim is known

  @extended @item-X.2
  Scenario: Forged tokens are refused
    Given the candidate runs
    And the admin has a token "verify-forged" for 1 days
    And the genuine token works
    When the model is asked with forged tokens of every kind
    And the model is asked with tokens that are not in force
    Then each is refused with 401 or 403, and none reaches the upstream
    And beside a forged token the genuine one never makes the forged one's user known
    And what the gateway does with unusual tokens of its own is noted
    And the genuine token still works

  @extended @item-X.5
  Scenario: The tracking endpoint is not reachable from outside
    Given the candidate runs
    And the admin has a session
    And the log from here on
    When outsiders call the tracking endpoint in every way they know
    Then no call without a session is answered with 200
    And none of the strangers becomes active
    But the gateway's own call in the context "Default" does make its user active
