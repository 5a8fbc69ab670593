CREATE TABLE `dead_letters` (
	`id` text PRIMARY KEY NOT NULL,
	`project_id` text NOT NULL,
	`resource_id` text NOT NULL,
	`resource_kind` text,
	`run` integer NOT NULL,
	`step` integer NOT NULL,
	`epoch` integer NOT NULL,
	`task_type` text NOT NULL,
	`reason` text NOT NULL,
	`attempts` integer NOT NULL,
	`dead_at` integer NOT NULL,
	`redriven_at` integer,
	`redriven_by` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `dead_letters_by_dispatch` ON `dead_letters` (`resource_id`,`run`,`step`,`epoch`);--> statement-breakpoint
CREATE INDEX `dead_letters_by_project` ON `dead_letters` (`project_id`,`dead_at`,`id`);--> statement-breakpoint
CREATE INDEX `dead_letters_by_age` ON `dead_letters` (`dead_at`,`id`);