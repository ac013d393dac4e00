Feature: Phase 3: user tracking
  Every request in one of the five contexts leaves exactly one pair of lines, for the user who made it.

  Background:
    Given the candidate runs
    And the admin has a session

  @phase-3
  Scenario Outline: Requests in the context <context> are tracked
    Given the log from here on
    When someone without a session asks for the context "<context>"
    And the session asks for an untracked location
    And the session asks for the context "<context>"
    Then the request is neither refused, nor sent to the login, nor failed
    And the log has exactly one tracking pair for the request, in the context "<context>"
    And Redis holds the user as active, last seen not before the request
    And the upstream received the request, where the context "<context>" goes there
    But the requests that are not tracked left no tracking line

    @item-3.1
    Examples:
      | context      |
      | MCP/Internal |

    @item-3.2
    Examples:
      | context  |
      | UI/Admin |

    @item-3.3
    Examples:
      | context        |
      | Key Management |

    @item-3.4
    Examples:
      | context   |
      | Token API |

    @item-3.5
    Examples:
      | context |
      | Default |

  @phase-3 @item-3.6
  Scenario: All contexts are logged in the plan's form
    When the session asks once for every context
    And the session makes 20 requests at once, mixed over all contexts
    Then every tracked request of the run has exactly one pair, in its own context
    And every tracking line has the plan's form, and the contexts are exactly those of the plan
    And no tracking of the run's own requests failed
