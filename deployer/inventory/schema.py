"""The JSON schema of inventory files, so that editors complete and check them while they are written."""

from __future__ import annotations

import json

from deployer.inventory.models import InventoryFile


def schema_text() -> str:
    """Give the schema as it is committed beside the inventories: sorted, indented, the same every time."""
    schema = InventoryFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "deployer inventory"
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
