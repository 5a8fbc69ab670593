CREATE TABLE `skill_orphans` (
	`invocation_id` text PRIMARY KEY NOT NULL
);
--> statement-breakpoint
-- A projection may come after its skill was deleted: the sweeper forgets what it is of.
CREATE TRIGGER skill_orphans_insert AFTER INSERT ON skill_invocations
WHEN NOT EXISTS (SELECT 1 FROM skills WHERE id = new.skill_id AND deleted_at IS NULL)
BEGIN
  INSERT INTO skill_orphans (invocation_id) VALUES (new.id) ON CONFLICT DO NOTHING;
END;
