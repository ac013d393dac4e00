Feature: Extended checks
  What the plan does not ask, and an attacker, the data or the time of day will.

  @extended @item-X.5
  Scenario: The tracking endpoint is not reachable from outside
    Given the candidate runs
    When GET "/track_user_internal?email=nobody%40example.com&context=Default" is asked on the public port
    Then the answer's status is 404
    And the key "active_user:nobody@example.com" does not exist in Redis

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
