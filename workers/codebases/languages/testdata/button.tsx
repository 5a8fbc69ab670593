import React, { useState } from "react";
import { Icon } from "./icon";

interface ButtonProps {
  label: string;
  onPress?: () => void;
}

/** A button that counts how often it is pressed. */
export function Button({ label, onPress }: ButtonProps): React.ReactElement {
  const [presses, setPresses] = useState(0);
  const press = () => {
    setPresses(presses + 1);
    onPress?.();
  };
  return (
    <button type="button" onClick={press}>
      <Icon name="hand" />
      <Label.Text>{label}</Label.Text>
    </button>
  );
}

export const Label = {
  Text: ({ children }: { children: string }) => <span>{children}</span>,
};

export default Button;
