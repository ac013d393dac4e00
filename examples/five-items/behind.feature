@phase-2
Feature: Phase 2: behind it

  @item-2.1
  Scenario: The upstream learns who sends
    Given the candidate runs
    When GET "/api/health/liveliness" is asked on the public port
    Then the answer's status is 200
    And the upstream received the request 1 times
    And the upstream received the request with the header "X-Gateway" holding "shop"
    When GET "/about" is asked on the public port
    Then the upstream received the request 0 times

  @item-2.2
  Scenario: Each request is logged with where it went
    Given the candidate runs
    When GET "/api/health/liveliness" is asked on the public port
    Then the access log has one line for the request, which matches " 200 to=[0-9.]+:4000$"
    And the log has nothing at error or above for the request
