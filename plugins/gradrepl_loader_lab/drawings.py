def tuning(record, width):
    return []


epoch_run = against_memory = tuning
