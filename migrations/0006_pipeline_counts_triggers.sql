-- Keeps `pipeline_counts` exact, whatever statement changes `pipelines`.
CREATE TRIGGER pipeline_counts_insert AFTER INSERT ON pipelines
BEGIN
  INSERT INTO pipeline_counts (project_id, state, total) VALUES (new.project_id, new.state, 1)
  ON CONFLICT (project_id, state) DO UPDATE SET total = total + 1;
END;
--> statement-breakpoint
CREATE TRIGGER pipeline_counts_update AFTER UPDATE OF project_id, state ON pipelines
WHEN old.state <> new.state OR old.project_id <> new.project_id
BEGIN
  UPDATE pipeline_counts SET total = total - 1
  WHERE project_id = old.project_id AND state = old.state;
  INSERT INTO pipeline_counts (project_id, state, total) VALUES (new.project_id, new.state, 1)
  ON CONFLICT (project_id, state) DO UPDATE SET total = total + 1;
END;
--> statement-breakpoint
CREATE TRIGGER pipeline_counts_delete AFTER DELETE ON pipelines
BEGIN
  UPDATE pipeline_counts SET total = total - 1
  WHERE project_id = old.project_id AND state = old.state;
END;
