"""“I see this differently”: the patient's own words beside what a coach wrote. Beside notes: `pilot.record.notes`."""
