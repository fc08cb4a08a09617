"""PLACEHOLDER"""
def programs(seed: str) -> dict[str, str]:
    return {}
