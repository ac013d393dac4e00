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

  @extended @item-X.3
  Scenario: A ban reaches every token of the user
    Given the candidate runs
    And the test user's token is let in on every location of the model's API
    When the admin bans the test user, and a further token of the user is minted
    Then both tokens are refused on every location from the next request on
    But the admin's token is let in on every location meanwhile
    When the admin lifts the test user's ban
    Then both tokens are let in again on every location

  @extended @item-X.4
  Scenario: Odd addresses are kept byte for byte
    Given the candidate runs
    And users with odd addresses, and their neighbours, have tokens and sessions
    Then each is tracked under exactly that address
    And each is banned and unbanned under exactly that address, and no neighbour is touched
    And nothing of them stays

  @extended @item-X.5
  Scenario: The tracking endpoint is not reachable from outside
    Given the candidate runs
    And the admin has a session
    And the log from here on
    When outsiders call the tracking endpoint in every way they know
    Then no call without a session is answered with 200
    And none of the strangers becomes active
    But the gateway's own call in the context "Default" does make its user active

  @extended @item-X.8
  Scenario: A streamed answer arrives piece by piece
    Given the candidate runs
    And the admin has a token "test-token-v11.1" for 30 days
    When the token asks for a streamed answer, whose pieces the upstream holds back
    Then the first piece arrives before the upstream sends the second
    And all but the last arrive before the upstream sends the last
    And the stream comes to its end, every piece in order

  @extended @item-X.14
  Scenario: Large and slow requests are served, and those beyond every limit refused
    Given the candidate runs
    And the admin has a token "test-token-v11.1" for 30 days
    When requests come that are as large and as slow as users' are
    Then each of them is served
    When requests come that are beyond every limit
    Then each of them is refused with 400, 413, 414 or 431, and the next request is served

  @extended @item-X.15
  Scenario: A crowd is served, and nobody is taken for somebody else
    Given the candidate runs
    And the admin has a session
    And a second user has a session
    When the two of them make 200 requests at once, mixed over all contexts
    Then every request is served, and none with 5xx
    And each has exactly one tracking pair, of its own user in its own context

  @extended @item-X.16
  Scenario: A reload loses no request
    Given the candidate runs
    And the admin has a token "test-token-v11.1" for 30 days
    When the gateway is reloaded under 100 requests, with a streamed answer held open
    Then every request is answered as it is without a reload
    And the streamed answer comes to its end, though its worker is an old one
    And new workers of the same master answer
    And tracking works as before

  # From here on services are ended and started again: what has no need of that stands before.

  @extended @item-X.6
  Scenario: Without Redis nobody is let in, and with it all are served again
    Given the candidate runs
    And the admin has a token "test-token-v11.1" for 30 days
    When Redis is down for a while
    Then the session, the token and the admin API are refused meanwhile
    And all of them are served again, by a gateway that was not restarted

  @extended @item-X.7
  Scenario: Without the upstream users are told so, and with it all are served again
    Given the candidate runs
    And the admin has a token "test-token-v11.1" for 30 days
    When the upstream is down for a while
    Then each is told so in JSON in time, and none is passed off as served
    And all of them are served again, by a gateway that was not restarted

  # At the end: both look at the whole run.

  @extended @item-X.13
  Scenario: No log holds a secret
    Given the candidate runs
    And the admin has a session
    When tokens and a session come that are good, worthless, and in the wrong place
    Then no log of the run holds a secret
    But a mark in the same logs is found by the same search

  @extended @item-X.17
  Scenario: The log has no error that the run did not cause
    Given the candidate runs
    Then the gateway's log has nothing at error or above that the run itself did not cause
    But an error that is written to it is found by the same search
