CREATE TABLE `task_durations` (
	`project_id` text NOT NULL,
	`task_type` text NOT NULL,
	`state` text NOT NULL,
	`le_ms` integer NOT NULL,
	`total` integer NOT NULL,
	`sum_ms` integer NOT NULL,
	PRIMARY KEY(`project_id`, `task_type`, `state`, `le_ms`)
);
--> statement-breakpoint
ALTER TABLE `idempotency_keys` ADD `claim_id` text;