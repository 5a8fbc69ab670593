-- Keeps `dead_letter_counts` exact, whatever statement changes `dead_letters`.
INSERT INTO dead_letter_counts (project_id, task_type, status, total)
SELECT project_id, task_type, iif(redriven_at IS NULL, 'open', 'redriven'), count(*)
FROM dead_letters GROUP BY 1, 2, 3;
--> statement-breakpoint
CREATE TRIGGER dead_letter_counts_insert AFTER INSERT ON dead_letters
BEGIN
  INSERT INTO dead_letter_counts (project_id, task_type, status, total)
  VALUES (new.project_id, new.task_type, iif(new.redriven_at IS NULL, 'open', 'redriven'), 1)
  ON CONFLICT (project_id, task_type, status) DO UPDATE SET total = total + 1;
END;
--> statement-breakpoint
CREATE TRIGGER dead_letter_counts_update AFTER UPDATE OF redriven_at ON dead_letters
WHEN (old.redriven_at IS NULL) <> (new.redriven_at IS NULL)
BEGIN
  UPDATE dead_letter_counts SET total = total - 1
  WHERE project_id = old.project_id AND task_type = old.task_type
    AND status = iif(old.redriven_at IS NULL, 'open', 'redriven');
  INSERT INTO dead_letter_counts (project_id, task_type, status, total)
  VALUES (new.project_id, new.task_type, iif(new.redriven_at IS NULL, 'open', 'redriven'), 1)
  ON CONFLICT (project_id, task_type, status) DO UPDATE SET total = total + 1;
END;
--> statement-breakpoint
CREATE TRIGGER dead_letter_counts_delete AFTER DELETE ON dead_letters
BEGIN
  UPDATE dead_letter_counts SET total = total - 1
  WHERE project_id = old.project_id AND task_type = old.task_type
    AND status = iif(old.redriven_at IS NULL, 'open', 'redriven');
END;
--> statement-breakpoint
-- A bill that is told again is not inserted, and so not added.
CREATE TRIGGER sandbox_spending_insert AFTER INSERT ON sandbox_bills
BEGIN
  INSERT INTO sandbox_spending (project_id, sandbox_seconds, usd)
  VALUES (new.project_id, new.sandbox_seconds, new.usd)
  ON CONFLICT (project_id) DO UPDATE SET
    sandbox_seconds = sandbox_seconds + excluded.sandbox_seconds, usd = usd + excluded.usd;
END;
