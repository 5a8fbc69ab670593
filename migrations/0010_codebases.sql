CREATE TABLE `codebases` (
	`id` text PRIMARY KEY NOT NULL,
	`project_id` text NOT NULL,
	`name` text NOT NULL,
	`description` text,
	`labels` text NOT NULL,
	`source_url` text,
	`source_ref` text,
	`latest` text,
	`snapshots` integer NOT NULL,
	`revision` integer NOT NULL,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`deleted_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `codebases_by_name` ON `codebases` (`project_id`,`name`);--> statement-breakpoint
CREATE INDEX `codebases_by_project` ON `codebases` (`project_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `codebases_by_age` ON `codebases` (`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `codebases_deleted` ON `codebases` (`deleted_at`) WHERE deleted_at IS NOT NULL;