CREATE TABLE `dead_letter_counts` (
	`project_id` text NOT NULL,
	`task_type` text NOT NULL,
	`status` text NOT NULL,
	`total` integer NOT NULL,
	PRIMARY KEY(`project_id`, `task_type`, `status`)
);
--> statement-breakpoint
CREATE TABLE `pool_figures` (
	`pool` text NOT NULL,
	`project_id` text NOT NULL,
	`task_type` text NOT NULL,
	`connected` integer NOT NULL,
	`queued` integer NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`pool`, `project_id`, `task_type`)
);
--> statement-breakpoint
CREATE TABLE `sandbox_bills` (
	`id` text PRIMARY KEY NOT NULL,
	`project_id` text NOT NULL,
	`sandbox_seconds` real NOT NULL,
	`usd` real NOT NULL,
	`billed_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `sandbox_bills_by_age` ON `sandbox_bills` (`billed_at`);--> statement-breakpoint
CREATE TABLE `sandbox_spending` (
	`project_id` text PRIMARY KEY NOT NULL,
	`sandbox_seconds` real NOT NULL,
	`usd` real NOT NULL
);
