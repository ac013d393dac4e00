Feature: Phase 3: user tracking
  Every request in one of the five contexts leaves exactly one pair of lines, for the user who made it.

  @phase-3 @item-3.1
  Scenario: Requests in the context MCP/Internal are tracked
    Given the candidate runs
    And the admin has a session
    And the log from here on
    When someone without a session asks for the context "MCP/Internal"
    And the session asks for an untracked location
    And the session asks for the context "MCP/Internal"
    Then the request is neither refused, nor sent to the login, nor failed
    And the log has exactly one tracking pair for the request, in the context "MCP/Internal"
    And Redis holds the user as active, last seen not before the request
    And the upstream received the request, where the context "MCP/Internal" goes there
    But the requests that are not tracked left no tracking line

  @phase-3 @item-3.2
  Scenario: Requests in the context UI/Admin are tracked
    Given the candidate runs
    And the admin has a session
    And the log from here on
    When someone without a session asks for the context "UI/Admin"
    And the session asks for an untracked location
    And the session asks for the context "UI/Admin"
    Then the request is neither refused, nor sent to the login, nor failed
    And the log has exactly one tracking pair for the request, in the context "UI/Admin"
    And Redis holds the user as active, last seen not before the request
    And the upstream received the request, where the context "UI/Admin" goes there
    But the requests that are not tracked left no tracking line

  @phase-3 @item-3.3
  Scenario: Requests in the context Key Management are tracked
    Given the candidate runs
    And the admin has a session
    And the log from here on
    When someone without a session asks for the context "Key Management"
    And the session asks for an untracked location
    And the session asks for the context "Key Management"
    Then the request is neither refused, nor sent to the login, nor failed
    And the log has exactly one tracking pair for the request, in the context "Key Management"
    And Redis holds the user as active, last seen not before the request
    And the upstream received the request, where the context "Key Management" goes there
    But the requests that are not tracked left no tracking line

  @phase-3 @item-3.4
  Scenario: Requests in the context Token API are tracked
    Given the candidate runs
    And the admin has a session
    And the log from here on
    When someone without a session asks for the context "Token API"
    And the session asks for an untracked location
    And the session asks for the context "Token API"
    Then the request is neither refused, nor sent to the login, nor failed
    And the log has exactly one tracking pair for the request, in the context "Token API"
    And Redis holds the user as active, last seen not before the request
    And the upstream received the request, where the context "Token API" goes there
    But the requests that are not tracked left no tracking line

  @phase-3 @item-3.5
  Scenario: Requests in the context Default are tracked
    Given the candidate runs
    And the admin has a session
    And the log from here on
    When someone without a session asks for the context "Default"
    And the session asks for an untracked location
    And the session asks for the context "Default"
    Then the request is neither refused, nor sent to the login, nor failed
    And the log has exactly one tracking pair for the request, in the context "Default"
    And Redis holds the user as active, last seen not before the request
    And the upstream received the request, where the context "Default" goes there
    But the requests that are not tracked left no tracking line

  @phase-3 @item-3.6
  Scenario: All contexts are logged in the plan's form
    Given the candidate runs
    And the admin has a session
    When the session asks once for every context
    And the session makes 20 requests at once, mixed over all contexts
    Then every tracked request of the run has exactly one pair, in its own context
    And every tracking line has the plan's form, and the contexts are exactly those of the plan
    And no tracking of the run's own requests failed
