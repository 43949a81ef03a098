"""The sealed side: sites verify, import, activate, roll back and give receipts."""
