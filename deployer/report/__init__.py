"""Reports: budgets, plans and outcomes, as text for people and documents for programs. Nothing here decides."""
