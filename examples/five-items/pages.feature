@phase-1
Feature: Phase 1: pages

  @item-1.1
  Scenario: The health check says up
    Given the candidate runs
    When GET "/healthz" is asked on the internal port
    Then the answer's status is 200
    And the answer's header "content-type" holds "application/json"
    And the answer's JSON has "up" at "/state"

  @item-1.2
  Scenario: The page is there
    Given the candidate runs
    When GET "/about" is asked on the public port
    Then the answer's status is 200
    And the answer's header "content-type" holds "text/html"
    And the answer's body holds "<title>About the shop</title>"
    When GET "/about-us" is asked on the public port
    Then the answer's status is 404

  @item-1.3
  Scenario: The old address leads to the page
    Given the candidate runs
    When GET "/impressum" is asked on the public port
    Then the answer's status is 301
    And the answer's header "location" holds "/about"
